"""A real Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

#: A container's or root's Chromium has no sandbox, little shared memory and no GPU.
_OPTIONS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
]


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run a Chromium; a machine without one skips the test.

    While it runs no other one can, nor `asyncio.run`: Playwright holds this thread's event loop.
    """
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium: install the package chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=_OPTIONS)
        yield chromium
        chromium.close()
