"""Up to where a series' stored klines were confirmed by the archive or by REST."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from market.store import tables as t
from market.store.klines import Source
from market.store.symbols import Series
from market.store.upsert import upsert


def read_confirmed(connection: Connection, series: Series) -> int | None:
    """Return the open time before which every stored kline is confirmed, `None` if never told."""
    c = t.confirmations.c
    query = select(c.open_time_ms).where(
        c.symbol_id == series.symbol_id, c.interval_id == series.interval.number
    )
    return connection.execute(query).scalar_one_or_none()


def write_confirmed(connection: Connection, series: Series, open_time_ms: int) -> None:
    """Say that every stored kline opening before that time is confirmed."""
    row = {
        "symbol_id": series.symbol_id,
        "interval_id": series.interval.number,
        "open_time_ms": open_time_ms,
    }
    upsert(connection, t.confirmations, [row], key=("symbol_id", "interval_id"))


def read_first_streamed(connection: Connection, series: Series) -> int | None:
    """Return when the first kline of a series came by a stream, `None` if none ever did."""
    b = t.ingest_batches.c
    query = select(func.min(b.fetched_at_ms)).where(
        b.symbol_id == series.symbol_id,
        b.interval_id == series.interval.number,
        b.source == Source.WS.value,
    )
    first_ms: int | None = connection.execute(query).scalar_one()
    return first_ms
