"""Take the README's picture of the page: `python docs/images/take.py http://127.0.0.1:8000`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

_OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
_TARGET = Path(__file__).with_name("market.png")


def take(address: str, target: Path) -> None:
    """Write a picture of the Market view, once it shows a forecast and its chart."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=_OPTIONS)
        page = chromium.new_page(viewport={"width": 1280, "height": 1010}, color_scheme="light")
        page.goto(f"{address.rstrip('/')}/#/market/BTCUSDT/1h?h=24")
        expect(page.get_by_role("heading", level=1)).to_contain_text("80 % range", timeout=60_000)
        page.wait_for_timeout(1_000)  # the chart draws in the next frames
        page.screenshot(path=target)
        chromium.close()


if __name__ == "__main__":
    take(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000", _TARGET)
