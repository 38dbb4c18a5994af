"""The rolling window of klines: the index holds the newest of each series, the store all."""

from __future__ import annotations

from typing import Any

from market.interval import Interval
from market.store.symbols import Series


def window_start(series: Series, newest_open_ms: int, klines: int) -> int:
    """Return the open time of the oldest kline in the window."""
    interval: Interval = series.interval
    newest_ms = interval.floor(newest_open_ms)
    return max(interval.add(newest_ms, -min(klines - 1, interval.count(0, newest_ms))), 0)


def series_filter(series: Series) -> list[dict[str, Any]]:
    """Return the clauses of a query that only a series' documents meet."""
    return [
        {"term": {"symbol": series.symbol}},
        {"term": {"interval": series.interval.value}},
    ]
