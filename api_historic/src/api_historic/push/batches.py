"""What batches of klines brought, read from the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, cast, func, or_, select
from sqlalchemy.dialects import mysql

from api_historic.push.position import Tail
from market.gaps import Range
from market.interval import Interval
from market.store import tables as t

#: Klines among a series' newest are told one by one, older ones as a range that changed.
WINDOW = 1_000
#: A streamed kline is stored within so many slots of its arrival, or is looked for in the window.
_PROMPT = 3
_SERIES_A_STATEMENT = 200
_DECIMALS = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_asset_volume",
    "taker_buy_base_asset_volume",
    "taker_buy_quote_asset_volume",
)
_COLUMNS = (
    "open_time_ms",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time_ms",
    "quote_asset_volume",
    "number_of_trades",
    "taker_buy_base_asset_volume",
    "taker_buy_quote_asset_volume",
)


class Batch(NamedTuple):
    """A batch of klines: its number, its series' numbers, and what it said of itself."""

    id: int
    symbol_id: int
    interval_id: int
    rows: int
    stamp: int
    fetched_at_ms: int

    @property
    def interval(self) -> Interval:
        """The interval of its klines."""
        return Interval.from_number(self.interval_id)


class Older(NamedTuple):
    """Klines of a batch that lie behind the window: between which open times, and how many."""

    span: Range
    rows: int


class Brought(NamedTuple):
    """What is stored of a batch: rows of eleven fields, ascending, and what is older."""

    rows: Sequence[Sequence[Any]]
    older: Older | None


_Key = tuple[int, int]


def not_told(column: ColumnElement[int], tail: Tail) -> ColumnElement[bool]:
    """Return the condition of rows a tail does not hold."""
    missing = [column.between(span.first, span.last) for span in tail.missing]
    return or_(column > tail.newest, *missing)


def select_batches(tail: Tail) -> Select[Any]:
    """Return the query of batches that were not told, by number."""
    b = t.ingest_batches.c
    columns = (b.id, b.symbol_id, b.interval_id, b.rows, b.stamp, b.fetched_at_ms)
    return select(*columns).where(not_told(b.id, tail)).order_by(b.id)


def read_brought(connection: Connection, batches: Sequence[Batch]) -> dict[int, Brought]:
    """Return what is stored of each batch, by its number.

    A kline that a later batch changed is that one's. Nothing is left out: what is not among
    the newest klines of its series is told as a range.
    """
    found = _read_prompt(connection, batches)
    rest = [batch for batch in batches if len(found[batch.id]) < batch.rows]
    by_series: defaultdict[_Key, list[Batch]] = defaultdict(list)
    for batch in rest:
        by_series[batch.symbol_id, batch.interval_id].append(batch)
    brought = {batch.id: Brought(found[batch.id], None) for batch in batches}
    for those in by_series.values():
        brought |= _read_window(connection, those)
    return brought


def _read_prompt(connection: Connection, batches: Sequence[Batch]) -> dict[int, list[Any]]:
    """Return the klines of batches that opened about when these were fetched."""
    k = t.klines.c
    since: dict[_Key, int] = {}
    for batch in batches:
        interval = batch.interval
        open_ms = interval.add(interval.floor(batch.fetched_at_ms), -batch.rows - _PROMPT)
        key = (batch.symbol_id, batch.interval_id)
        since[key] = min(open_ms, since.get(key, open_ms))
    found: dict[int, list[Any]] = {batch.id: [] for batch in batches}
    keys = [key for key in since if since[key] >= 0]
    for start in range(0, len(keys), _SERIES_A_STATEMENT):
        some = keys[start : start + _SERIES_A_STATEMENT]
        wanted = [
            and_(k.symbol_id == key[0], k.interval_id == key[1], k.open_time_ms >= since[key])
            for key in some
        ]
        query = _rows(connection).where(or_(*wanted), k.batch_id >= min(found))
        for batch_id, *row in connection.execute(query.order_by(k.open_time_ms)):
            if batch_id in found:
                found[batch_id].append(row)
    return found


def _read_window(connection: Connection, batches: Sequence[Batch]) -> dict[int, Brought]:
    """Return what batches of one series brought: the newest klines, and the range of others."""
    k, first = t.klines.c, batches[0]
    of_series = (k.symbol_id == first.symbol_id, k.interval_id == first.interval_id)
    query = _rows(connection).where(*of_series).order_by(k.open_time_ms.desc()).limit(WINDOW)
    newest = connection.execute(query).all()[::-1]
    found: dict[int, list[Any]] = {batch.id: [] for batch in batches}
    for batch_id, *row in newest:
        if batch_id in found:
            found[batch_id].append(row)
    brought: dict[int, Brought] = {}
    for batch in batches:
        older = None
        if len(newest) == WINDOW and len(found[batch.id]) < batch.rows:
            older = _read_older(connection, batch, newest[0].open_time_ms)
        brought[batch.id] = Brought(found[batch.id], older)
    return brought


def _read_older(connection: Connection, batch: Batch, before_ms: int) -> Older | None:
    """Return where a batch's klines lie that open before a time."""
    k = t.klines.c
    places = _find_places(connection, batch)
    if not places:
        return None
    query = select(func.min(k.open_time_ms), func.max(k.open_time_ms), func.count()).where(
        k.symbol_id == batch.symbol_id,
        k.interval_id == batch.interval_id,
        k.batch_id == batch.id,
        k.open_time_ms < before_ms,
        or_(*places),
    )
    first_ms, last_ms, rows = connection.execute(query).one()
    if not rows:
        return None
    return Older(Range(first_ms, batch.interval.close_of(last_ms) + 1), rows)


def _find_places(connection: Connection, batch: Batch) -> list[ColumnElement[bool]]:
    """Return the ranges in which a batch's klines may lie: others need not be looked through.

    Its months bear its stamp, or that of a later batch. Without a stamp it was appended by a
    stream, and so lies right before the time at which it came.
    """
    k, b, m = t.klines.c, t.ingest_batches.c, t.kline_months.c
    if batch.stamp == 0:
        interval = batch.interval
        first_ms = interval.add(interval.floor(batch.fetched_at_ms), -batch.rows - WINDOW)
        return [k.open_time_ms >= first_ms]
    of_series = (b.symbol_id == batch.symbol_id, b.interval_id == batch.interval_id)
    later = select(b.stamp).where(*of_series, b.id >= batch.id, b.stamp != 0)
    stamped = select(m.month_ms).where(
        m.symbol_id == batch.symbol_id, m.interval_id == batch.interval_id, m.stamp.in_(later)
    )
    return [
        and_(k.open_time_ms >= month_ms, k.open_time_ms < Interval.MO1.add(month_ms, 1))
        for month_ms in connection.execute(stamped).scalars()
    ]


def _rows(connection: Connection) -> Select[Any]:
    k = t.klines.c
    values: Iterable[Any] = (k[name] for name in _COLUMNS)
    if connection.dialect.name != "sqlite":
        values = (
            cast(k[name], mysql.CHAR()) if name in _DECIMALS else k[name] for name in _COLUMNS
        )
    return select(k.batch_id, *values)
