"""Recorded klines as panels."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from forecasting.panel import Panel, build_panel
from market.interval import Interval

_COLUMNS = {
    "open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume",
    "number_of_trades": "number_of_trades", "taker_buy_base_asset_volume": "taker_buy_base",
}  # fmt: skip
#: From here on the archive's times are microseconds.
_MICROSECONDS = 10**14


def recorded_panel(symbol: str, interval: Interval) -> Panel:
    """Return all recorded klines of a series; the test is skipped without recordings."""
    folder = os.environ.get("KLINECAST_TEST_DATA")
    if not folder:
        pytest.skip("KLINECAST_TEST_DATA names no folder of recorded Binance data")
    rows = [
        row
        for path in sorted(Path(folder).glob(f"klines_{interval}/{symbol}_*.csv.gz"))
        for row in _read(path)
    ]
    opens = np.array([int(row["open_time"]) for row in rows])
    opens = np.where(opens > _MICROSECONDS, opens // 1000, opens)
    opens, first = np.unique(opens, return_index=True)
    columns = {
        name: np.array([float(row[column]) for row in rows])[first]
        for name, column in _COLUMNS.items()
    }
    return build_panel(symbol, interval, opens, columns)


def _read(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))
