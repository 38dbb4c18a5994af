"""What is stored of each series, found by looks into indexes alone: no row is counted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, and_, select, true

from market.interval import Interval
from market.store import tables as t
from market.store.symbols import VENUE, Series


class SeriesState(NamedTuple):
    """The extent of a series, and which state of its klines that is.

    `newest_batch` is the number of the last batch that changed any of them: two snapshots in
    which it is the same hold the same klines. Its writers queue for their symbol's lock and
    take the number under it; the one transaction that gives none back deletes it.
    """

    series: Series
    first_open_ms: int
    last_open_ms: int
    watermark_ms: int | None
    confirmed_until_ms: int | None
    newest_batch: int


def read_series_states(
    connection: Connection,
    *,
    symbol_ids: Collection[int] | None = None,
    interval: Interval | None = None,
    venue: str = VENUE,
) -> list[SeriesState]:
    """Return the state of every series that holds a kline, ordered by symbol and interval.

    `symbol_ids` and `interval` keep only theirs.
    """
    s, i = t.symbols.c, t.intervals.c
    query = (
        select(
            s.id,
            s.symbol,
            i.id.label("interval_id"),
            _look(t.klines, "open_time_ms").label("first"),
            _look(t.klines, "open_time_ms", newest=True).label("last"),
            _look(t.watermarks, "open_time_ms").label("watermark"),
            _look(t.confirmations, "open_time_ms").label("confirmed"),
            _look(t.ingest_batches, "id", newest=True).label("newest_batch"),
        )
        .select_from(t.symbols.join(t.intervals, true()))
        .where(s.venue == venue, s.registered_ms.is_not(None))
        .order_by(s.symbol, i.id)
    )
    if symbol_ids is not None:
        query = query.where(s.id.in_(sorted(symbol_ids)))
    if interval is not None:
        query = query.where(i.id == interval.number)
    return [
        SeriesState(
            Series(row.id, row.symbol, Interval.from_number(row.interval_id), venue),
            row.first,
            row.last,
            row.watermark,
            row.confirmed,
            row.newest_batch or 0,
        )
        for row in connection.execute(query)
        if row.first is not None
    ]


def _look(table: Table, column: str, *, newest: bool = False) -> Any:
    """Return one look into an index.

    For a MAX MySQL would read all of the group, and without the whole key it would sort it.
    """
    key = [table.c.symbol_id, table.c.interval_id, table.c[column]]
    mine = and_(table.c.symbol_id == t.symbols.c.id, table.c.interval_id == t.intervals.c.id)
    query = select(table.c[column]).where(mine).correlate(t.symbols, t.intervals)
    order = [part.desc() for part in key] if newest else key
    return query.order_by(*order).limit(1).scalar_subquery()
