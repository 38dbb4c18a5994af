"""The stamp of every month of a series: which state of its klines a copy was made from.

Whoever changes klines of a month gives it a new random stamp in the same transaction. Two
snapshots in which a month is closed and bears one stamp hold the same klines of it. Streamed
klines that go on at a series' end stamp only the months they begin: a month is closed only
once the series goes on behind it, and from then on no such kline opens in it.
"""

from __future__ import annotations

import secrets
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, select

from market.gaps import Range
from market.interval import DAY_MS, Interval
from market.store import tables as t
from market.store.glance import Glance
from market.store.raw_rows import RawQuery
from market.store.symbols import Series
from market.store.upsert import upsert

#: For so long after its end a month is likely to change still: streamed klines are
#: confirmed, the archive's files come.
SETTLING_MS = 2 * DAY_MS
_STAMP_BITS = 63


class MonthStamp(NamedTuple):
    """A month of a series and the stamp it bears; `month` is UTC, by open time."""

    month: Range
    stamp: int


@lru_cache(maxsize=1024)  # a thousand klines that close at once lie in one month
def month_of(open_ms: int) -> Range:
    """Return the UTC month that a time lies in."""
    start_ms = Interval.MO1.floor(open_ms)
    return Range(start_ms, Interval.MO1.add(start_ms, 1))


def new_stamp() -> int:
    """Return a stamp that no month has borne yet; never 0."""
    return secrets.randbits(_STAMP_BITS) or 1


def months_of(opens: Iterable[int]) -> list[int]:
    """Return the starts of the months in which some of these open times lie, ascending."""
    ordered = sorted(opens)
    months: list[int] = []
    at = 0
    while at < len(ordered):
        month = month_of(ordered[at])
        months.append(month.start_ms)
        at = bisect_left(ordered, month.end_ms, at)
    return months


def iter_months(first_ms: int, last_ms: int) -> Iterator[int]:
    """Yield the starts of the months from one open time to another, both included."""
    return Interval.MO1.iter_opens(month_of(first_ms).start_ms, last_ms + 1)


def write_stamps(
    connection: Connection,
    months: Iterable[tuple[Series, int]],
    stamp: int,
    changed_ms: int,
) -> None:
    """Give months, each by its series and start, that stamp, under their symbols' locks.

    `changed_ms` is when what changed them was fetched, the exchange's time.
    """
    rows = [
        {
            "symbol_id": series.symbol_id,
            "interval_id": series.interval.number,
            "month_ms": month_ms,
            "stamp": stamp,
            "changed_ms": changed_ms,
        }
        for series, month_ms in months
    ]
    if rows:
        upsert(connection, t.kline_months, rows, key=("symbol_id", "interval_id", "month_ms"))


def read_closed_months(
    connection: Connection, series: Series, start_ms: int | None, end_ms: int | None
) -> list[MonthStamp]:
    """Return the closed months that [start_ms, end_ms) touches, ascending; `None` is open.

    A month is closed once a kline behind it is stored and the series has gone on for
    `SETTLING_MS` after its end. Months without a stamp never held a kline. One query.
    """
    m = t.kline_months.c
    query = _months_and_newest(series.symbol_id, series.interval.number)
    if start_ms is not None:
        query = query.where(m.month_ms >= month_of(start_ms).start_ms)
    if end_ms is not None:
        query = query.where(m.month_ms < end_ms)
    return _closed(series.interval, connection.execute(query).all())


def glance_closed_months(
    glance: Glance, series: Series, start_ms: int, end_ms: int
) -> list[MonthStamp]:
    """Return the closed months as `read_closed_months` does, as they are at this moment."""
    rows = glance.read(
        _GLANCE,
        symbol=series.symbol_id,
        interval=series.interval.number,
        start=month_of(start_ms).start_ms,
        end=end_ms,
    )
    return _closed(series.interval, [tuple(map(int, row)) for row in rows])


def _months_and_newest(symbol: Any, interval: Any) -> Select[Any]:
    k, m = t.klines.c, t.kline_months.c
    of_it = (k.symbol_id == symbol, k.interval_id == interval)
    newest = select(func.max(k.open_time_ms)).where(*of_it).scalar_subquery()
    query = select(m.month_ms, m.stamp, newest).order_by(m.month_ms)
    return query.where(m.symbol_id == symbol, m.interval_id == interval)


_GLANCE = RawQuery(
    _months_and_newest(bindparam("symbol"), bindparam("interval")).where(
        t.kline_months.c.month_ms >= bindparam("start"),
        t.kline_months.c.month_ms < bindparam("end"),
    )
)


def _closed(interval: Interval, rows: Sequence[Sequence[Any]]) -> list[MonthStamp]:
    newest_ms = rows[0][2] if rows else None
    if newest_ms is None:
        return []
    settled_ms = interval.close_of(newest_ms) + 1 - SETTLING_MS
    months = (MonthStamp(month_of(month_ms), stamp) for month_ms, stamp, _ in rows)
    return [one for one in months if one.month.end_ms <= min(newest_ms, settled_ms)]
