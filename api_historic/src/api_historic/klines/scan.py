"""What of a range is stored, told by open times alone: never by reading the klines."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    func,
    literal_column,
    select,
)

from api_historic.klines.rows import FIRST_MS, LAST_MS
from market.gaps import Range, find_missing, merge_ranges
from market.interval import Interval
from market.store import tables as t
from market.store.raw_rows import RawQuery, RawRow
from market.store.symbols import Series

#: Slots whose open times are read at once.
_SLOTS = 2_000


class Extent(NamedTuple):
    """The oldest and the newest open time of an answer, and whether a limit cut any off."""

    oldest_ms: int
    newest_ms: int
    has_more: bool


def find_extent(
    connection: Connection,
    series: Series,
    asked: tuple[int | None, int | None],
    limit: int | None,
    *,
    is_descending: bool,
) -> Extent | None:
    """Return which klines answer a request for at most `limit`; `None` where there is none."""
    start_ms = FIRST_MS if asked[0] is None else asked[0]
    end_ms = LAST_MS if asked[1] is None else asked[1]
    ends = [
        next(iter(_opens(connection, series, (start_ms, end_ms), 0, 1, from_newest=newest)), None)
        for newest in (False, True)
    ]
    oldest_ms, newest_ms = ends
    if oldest_ms is None or newest_ms is None:
        return None
    if limit is None:
        return Extent(oldest_ms, newest_ms, False)
    cut = _opens(connection, series, (start_ms, end_ms), limit - 1, 2, from_newest=is_descending)
    if len(cut) < 2:
        return Extent(oldest_ms, newest_ms, False)
    return Extent(cut[0], newest_ms, True) if is_descending else Extent(oldest_ms, cut[0], True)


def scan_missing(connection: Connection, series: Series, span: Range) -> list[Range]:
    """Return the ranges of the span's slots that hold no kline.

    A range without holes is counted by the database. Only where the count is short, or
    klines are off the grid, are open times read, a few thousand at once.
    """
    interval = series.interval
    # A kline that opens off the grid, behind the end, is not of this span.
    held = Range(interval.ceil(span.start_ms), span.end_ms)
    if held.start_ms >= held.end_ms:
        return []
    if interval.step_ms is None or interval.count(*held) <= _SLOTS:
        return _missing_in(connection, series, held)
    if _is_full(next(_run(_count(), connection, series, held)), interval, held):
        return []
    width_ms = _SLOTS * interval.step_ms
    query = _counts(connection.dialect.name)
    found = _run(query, connection, series, held, origin=held.start_ms, width=width_ms)
    counts = {int(row[2]): row for row in found}
    missing: list[Range] = []
    for number, start_ms in enumerate(range(held.start_ms, held.end_ms, width_ms)):
        bucket = Range(start_ms, min(start_ms + width_ms, held.end_ms))
        if number not in counts:
            missing += find_missing(interval, *bucket, ())
        elif not _is_full(counts[number], interval, bucket):
            missing += _missing_in(connection, series, bucket)
    return merge_ranges(missing)


def _is_full(row: RawRow, interval: Interval, slots: Range) -> bool:
    """Tell whether a count shows that each slot holds its kline; no open time is there twice."""
    return int(row[0]) == interval.count(*slots) and not int(row[1] or 0)


def _missing_in(connection: Connection, series: Series, slots: Range) -> list[Range]:
    opens = (int(row[0]) for row in _run(_open_times(), connection, series, slots))
    return find_missing(series.interval, *slots, opens)


def _opens(
    connection: Connection,
    series: Series,
    span: tuple[int, int],
    skip: int,
    limit: int,
    *,
    from_newest: bool,
) -> list[int]:
    query = _ordered(from_newest=from_newest)
    rows = _run(query, connection, series, Range(*span), skip=skip, limit=limit)
    return [int(row[0]) for row in rows]


def _run(
    query: RawQuery, connection: Connection, series: Series, span: Range, **others: int
) -> Any:
    return query.iter_rows(
        connection,
        symbol=series.symbol_id,
        interval=series.interval.number,
        start=span.start_ms,
        end=span.end_ms,
        **others,
    )


def _of_range(*columns: ColumnElement[Any]) -> Select[Any]:
    k = t.klines.c
    return select(*columns).where(
        k.symbol_id == bindparam("symbol"),
        k.interval_id == bindparam("interval"),
        k.open_time_ms >= bindparam("start"),
        k.open_time_ms < bindparam("end"),
    )


@cache
def _open_times() -> RawQuery:
    return RawQuery(_of_range(t.klines.c.open_time_ms).order_by(t.klines.c.open_time_ms))


@cache
def _ordered(*, from_newest: bool) -> RawQuery:
    open_time = t.klines.c.open_time_ms
    query = _of_range(open_time).order_by(open_time.desc() if from_newest else open_time)
    return RawQuery(query.limit(bindparam("limit")).offset(bindparam("skip")))


def _sums() -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return func.count(), func.sum(t.klines.c.irregular.cast(Integer))


@cache
def _count() -> RawQuery:
    return RawQuery(_of_range(*_sums()))


@cache
def _counts(engine: str) -> RawQuery:
    since = t.klines.c.open_time_ms - bindparam("origin")
    bucket = since.op("/" if engine == "sqlite" else "DIV", precedence=100)(bindparam("width"))
    return RawQuery(_of_range(*_sums(), bucket.label("bucket")).group_by(literal_column("bucket")))


def count_opens(connection: Connection, series: Series, span: Range) -> int:
    """Return how many klines open in the span."""
    return int(next(_run(_count(), connection, series, span))[0])
