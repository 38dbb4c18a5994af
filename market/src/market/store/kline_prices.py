"""Closes as floats, for statistics alone: money that is told stays exact."""

from __future__ import annotations

from sqlalchemy import Connection, Double, cast, select

from market.store import tables as t
from market.store.symbols import Series


def read_prices(
    connection: Connection, series: Series, start_ms: int, end_ms: int
) -> list[tuple[int, float]]:
    """Return open time and close of the klines opening in [start_ms, end_ms), ascending."""
    k = t.klines.c
    query = (
        select(k.open_time_ms, cast(k.close, Double))
        .where(
            k.symbol_id == series.symbol_id,
            k.interval_id == series.interval.number,
            k.open_time_ms >= start_ms,
            k.open_time_ms < end_ms,
        )
        .order_by(k.open_time_ms)
    )
    return [(open_ms, float(close)) for open_ms, close in connection.execute(query)]
