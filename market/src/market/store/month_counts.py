"""How many klines the months of a series hold, counted once and kept while they stay as they are.

A count of all rows takes as long as reading them. Here a month is counted again only when its
stamp is another one; klines that streams append are added as their batches tell them.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, literal, or_, select, union_all

from market.interval import Interval
from market.store import tables as t
from market.store.kline_months import month_of
from market.store.klines import read_open_times
from market.store.series_extents import SeriesState
from market.store.symbols import Series

#: Ranges counted by one statement.
_SLICE = 60
_IDS_A_STATEMENT = 500
_SERIES_A_STATEMENT = 200
_Key = tuple[int, int]


class MonthCount(NamedTuple):
    """A UTC month of a series: its klines by open time, and the slots that they fill.

    `stamp` says which state of the month was counted.
    """

    month_ms: int
    stamp: int
    rows: int
    slots: int


class _Kept(NamedTuple):
    newest_batch: int
    months: list[MonthCount]


class MonthCounts:
    """The counts of every series that was asked for. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[_Key, _Kept] = {}

    def read(
        self, connection: Connection, states: Sequence[SeriesState]
    ) -> dict[Series, list[MonthCount]]:
        """Return the months that hold a kline, ascending, of series as this snapshot has them."""
        with self._lock:
            kept = {_key(one.series): self._kept.get(_key(one.series)) for one in states}
        changed = [one for one in states if not _is_same(kept[_key(one.series)], one)]
        fresh = _count_changed(connection, changed, kept)
        with self._lock:
            for key, counted in fresh.items():
                known = self._kept.get(key)
                if known is None or known.newest_batch < counted.newest_batch:
                    self._kept[key] = counted
        present = kept | fresh
        return {
            one.series: found.months
            for one in states
            if (found := present[_key(one.series)]) is not None
        }


def _key(series: Series) -> _Key:
    return series.symbol_id, series.interval.number


def _is_same(kept: _Kept | None, state: SeriesState) -> bool:
    return kept is not None and kept.newest_batch == state.newest_batch


def _count_changed(
    connection: Connection, states: Sequence[SeriesState], kept: dict[_Key, _Kept | None]
) -> dict[_Key, _Kept]:
    known = {key: one for key, one in kept.items() if one is not None}
    news = _read_appended(connection, known, {_key(one.series) for one in states})
    counted: dict[_Key, _Kept] = {}
    recount: list[SeriesState] = []
    for state in states:
        key = _key(state.series)
        months = _append(known[key].months, state, news[key]) if key in news else None
        if months is None:
            recount.append(state)
        else:
            counted[key] = _Kept(state.newest_batch, months)
    stamps = _read_stamps(connection, recount)
    for state in recount:
        key = _key(state.series)
        before = known[key].months if key in known else ()
        months = _count_months(connection, state, stamps.get(key, []), before)
        counted[key] = _Kept(state.newest_batch, months)
    return counted


def _read_appended(
    connection: Connection, known: dict[_Key, _Kept], changed: Collection[_Key]
) -> dict[_Key, int]:
    """Return how many rows streams appended to series since they were counted.

    One whose months were stamped since is left out, and so is one of which more is kept than
    this snapshot has.
    """
    b = t.ingest_batches.c
    appended: dict[_Key, int] = {}
    keys = [key for key in known if key in changed]
    for start in range(0, len(keys), _SERIES_A_STATEMENT):
        since = [
            and_(b.symbol_id == key[0], b.interval_id == key[1], b.id > known[key].newest_batch)
            for key in keys[start : start + _SERIES_A_STATEMENT]
        ]
        query = select(b.symbol_id, b.interval_id, func.sum(b.rows), func.max(b.stamp))
        grouped = query.where(or_(*since)).group_by(b.symbol_id, b.interval_id)
        for symbol_id, interval_id, rows, stamp in connection.execute(grouped):
            if stamp == 0:
                appended[symbol_id, interval_id] = int(rows)
    return appended


def _append(months: list[MonthCount], state: SeriesState, rows: int) -> list[MonthCount] | None:
    """Return the months with rows added to the last, `None` where they are not that one's."""
    if not months or months[-1].month_ms != month_of(state.last_open_ms).start_ms:
        return None
    last = months[-1]
    return [*months[:-1], last._replace(rows=last.rows + rows, slots=last.slots + rows)]


def _read_stamps(
    connection: Connection, states: Sequence[SeriesState]
) -> dict[_Key, list[tuple[int, int]]]:
    m = t.kline_months.c
    stamps: dict[_Key, list[tuple[int, int]]] = {}
    numbers = sorted({one.series.symbol_id for one in states})
    for start in range(0, len(numbers), _IDS_A_STATEMENT):
        query = select(m.symbol_id, m.interval_id, m.month_ms, m.stamp).where(
            m.symbol_id.in_(numbers[start : start + _IDS_A_STATEMENT])
        )
        order = query.order_by(m.symbol_id, m.interval_id, m.month_ms)
        for symbol_id, interval_id, month_ms, stamp in connection.execute(order):
            stamps.setdefault((symbol_id, interval_id), []).append((month_ms, stamp))
    return stamps


def _count_months(
    connection: Connection,
    state: SeriesState,
    stamps: Sequence[tuple[int, int]],
    before: Sequence[MonthCount],
) -> list[MonthCount]:
    """Count the months whose stamp is another one, and those that streams may still append to."""
    known = {(one.month_ms, one.stamp): one for one in before}
    # What is appended bears no stamp; all months but the last two were settled by what follows.
    open_ms = Interval.MO1.add(month_of(state.last_open_ms).start_ms, -1)
    wanted = [
        (month_ms, stamp)
        for month_ms, stamp in stamps
        if month_ms >= open_ms or (month_ms, stamp) not in known
    ]
    fresh: dict[tuple[int, int], MonthCount] = {}
    for start in range(0, len(wanted), _SLICE):
        fresh |= _count(connection, state.series, wanted[start : start + _SLICE])
    months = [fresh.get(key) or known[key] for key in stamps]
    return [one for one in months if one.rows]


def _count(
    connection: Connection, series: Series, months: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], MonthCount]:
    k = t.klines.c
    counted: dict[tuple[int, int], MonthCount] = {}
    parts = [
        select(
            literal(number, literal_execute=True),
            func.count(),
            func.coalesce(func.sum(k.irregular), 0),
        ).where(
            k.symbol_id == series.symbol_id,
            k.interval_id == series.interval.number,
            k.open_time_ms >= month_ms,
            k.open_time_ms < month_of(month_ms).end_ms,
        )
        for number, (month_ms, _) in enumerate(months)
    ]
    for number, rows, irregular in connection.execute(union_all(*parts)):
        month_ms, stamp = months[int(number)]
        slots = int(rows)
        if irregular:  # several may fill one slot
            opens = read_open_times(connection, series, *month_of(month_ms))
            slots = len({series.interval.floor(open_ms) for open_ms in opens})
        counted[month_ms, stamp] = MonthCount(month_ms, stamp, int(rows), slots)
    return counted
