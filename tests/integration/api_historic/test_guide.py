"""Every snippet of the user's guide runs, against a real API."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt.async_support
import orjson
import pytest

from support.event_loops import run_apart
from support.history_api import history_api
from support.seed import NOW_MS, seed_market
from support.workspace import ROOT

GUIDE = ROOT / "docs" / "history-api.md"
#: Where the guide's installation is.
ADDRESS = "http://127.0.0.1:8000"
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[str]:
    """Return the guide's snippets of a language."""
    return [text for kind, text in _BLOCK.findall(GUIDE.read_text()) if kind == language]


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a seeded installation in June 2024."""
    store = seed_market(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    with history_api(store, NOW_MS) as url:
        yield url


#: curl's word for a call that took as long as it was given.
_TIMED_OUT = 28


def run(command: list[str], folder: Path, *, expected: int = 0) -> str:
    done = subprocess.run(
        command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == expected, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the PATH")
@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_answered(api: str, line: str, tmp_path: Path) -> None:
    assert ADDRESS in line

    expected = _TIMED_OUT if "--max-time" in line else 0
    body = run(["sh", "-c", line.replace(ADDRESS, api)], tmp_path, expected=expected)

    if "format=csv" in line:
        assert body.startswith("symbol,open_time,open,")
        return
    if "/v1/stream" in line:
        assert "event: open" in body
        return
    answer = orjson.loads(body)
    assert ("error" in answer) == ("7m" in line), body
    assert answer


@pytest.mark.parametrize("script", blocks("python"))
def test_every_script_runs(api: str, script: str, tmp_path: Path) -> None:
    assert ADDRESS in script

    assert run([sys.executable, "-c", script.replace(ADDRESS, api)], tmp_path).strip()


def test_configuration_for_freqtrade_points_ccxt_here(api: str) -> None:
    config = json.loads(blocks("json")[0].replace(ADDRESS, api))["exchange"]

    async def download() -> Any:
        exchange = getattr(ccxt.async_support, config["name"])(config["ccxt_config"])
        try:
            markets = await exchange.load_markets(reload=True, params={})
            candles = [
                await exchange.fetch_ohlcv(pair, timeframe="1h", since=0, limit=1000)
                for pair in config["pair_whitelist"]
            ]
            return markets, candles
        finally:
            await exchange.close()

    markets, candles = run_apart(download())

    assert set(config["pair_whitelist"]) <= set(markets)
    assert [len(some) for some in candles] == [200, 200]


def test_guide_has_snippets_of_every_tool() -> None:
    text = GUIDE.read_text()

    assert len(COMMANDS) >= 10
    for tool in ("pd.read_parquet", "pd.read_csv", "polars", "duckdb", "binance.client", "ccxt"):
        assert any(tool in script for script in blocks("python")), tool
    assert text.count(ADDRESS) >= 15
