"""Writing what closed of many series at once: one transaction for all of them.

A stream tells the klines of a thousand series within a second; a transaction for each would
take ten. Here are only those that simply go on where their series ends; anything else is
left to `market.store.klines.write_klines`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Connection, func, select, text

from market.errors import StoreConflict
from market.kline import Kline, exact_kline, is_irregular
from market.store import tables as t
from market.store.bulk import KlineRow, insert_if_new
from market.store.engine import Store
from market.store.kline_months import month_of, months_of, new_stamp, write_stamps
from market.store.klines import Source
from market.store.outbox import announce, kline_key
from market.store.symbols import Series
from market.store.upsert import upsert

_SLICE = 500
_NEVER = 2**62
_BATCH_COLUMNS = ("symbol_id", "interval_id", "source", "url", "fetched_at_ms", "rows", "stamp")
_Key = tuple[int, int]


class Arrival(NamedTuple):
    """Klines of one series that arrived together.

    Attributes:
        klines: ascending, at least one.
        url: the stream they came from.
        arrived_ms: the exchange's time when they did.
    """

    series: Series
    klines: Sequence[Kline]
    url: str
    arrived_ms: int


def write_closed(
    store: Store, arrivals: Sequence[Arrival], *, announce_newest: int
) -> list[Series]:
    """Store the next klines of many series in one transaction, watermarks and outbox included.

    Written are those that begin right after their series' newest kline, without a hole and
    without anything known to be missing beyond it; a watermark that is held back by an older
    gap stays. At most `announce_newest` klines of each arrival are announced.

    Returns:
        The series that were written; of the others nothing was.

    Raises:
        StoreUnavailable: the database does not answer; nothing was written.
        DataError: a kline can't be kept exactly; nothing was written.
    """
    exact = [one._replace(klines=[exact_kline(k) for k in one.klines]) for one in arrivals]
    whole = sorted((one for one in exact if _is_whole(one)), key=_key)
    if not whole:
        return []

    def work(connection: Connection) -> list[Series]:
        _lock_symbols(connection, whole)
        watermarks = _read_watermarks(connection, whole)
        written = _find_following(connection, whole, watermarks)
        _insert(connection, written)
        _announce(connection, written, announce_newest)
        going_on = [one for one in written if watermarks[_key(one)] == _slot_before(one)]
        _write_watermarks(connection, going_on)
        return [one.series for one in written]

    return store.transact(work)


def _key(one: Arrival) -> _Key:
    return one.series.symbol_id, one.series.interval.number


def _slot(one: Arrival, index: int) -> int:
    return one.series.interval.floor(one.klines[index].open_time_ms)


def _is_whole(one: Arrival) -> bool:
    interval, first_ms = one.series.interval, _slot(one, 0)
    slots = [interval.floor(kline.open_time_ms) for kline in one.klines]
    return slots == [interval.add(first_ms, step) for step in range(len(slots))]


def _ids(arrivals: Sequence[Arrival]) -> list[int]:
    return sorted({one.series.symbol_id for one in arrivals})


def _lock_symbols(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    # In ascending order, as everybody does who locks several.
    s = t.symbols.c
    query = select(s.id).where(s.id.in_(_ids(arrivals))).order_by(s.id).with_for_update()
    connection.execute(query).all()


def _slot_before(one: Arrival) -> int:
    return one.series.interval.add(_slot(one, 0), -1)


def _read_watermarks(connection: Connection, arrivals: Sequence[Arrival]) -> dict[_Key, int]:
    w = t.watermarks.c
    query = select(w.symbol_id, w.interval_id, w.open_time_ms)
    rows = connection.execute(query.where(w.symbol_id.in_(_ids(arrivals))))
    return {(row[0], row[1]): row[2] for row in rows}


def _find_following(
    connection: Connection, arrivals: Sequence[Arrival], watermarks: dict[_Key, int]
) -> list[Arrival]:
    g = t.gaps.c
    beyond = select(g.symbol_id, g.interval_id, func.max(g.end_ms)).where(
        g.symbol_id.in_(_ids(arrivals)),
        g.resolved_ms.is_(None),
        g.end_ms > min(_slot(one, 0) for one in arrivals),
    )
    rows = connection.execute(beyond.group_by(g.symbol_id, g.interval_id))
    gap_ends: dict[_Key, int] = {(row[0], row[1]): row[2] for row in rows}
    free = [one for one in arrivals if gap_ends.get(_key(one), 0) <= _slot(one, 0)]
    behind = [one for one in free if watermarks.get(_key(one), _NEVER) < _slot_before(one)]
    ends = watermarks | _read_newest(connection, behind, _slot_before)
    following = [
        one
        for one in free
        if one.series.interval.floor(ends.get(_key(one), -1)) == _slot_before(one)
    ]
    # Somebody else may have stored klines of one and not moved its watermark yet.
    newest = _read_newest(connection, following, lambda one: _slot(one, 0))
    return [
        one for one in following if _key(one) not in newest or newest[_key(one)] < _slot(one, 0)
    ]


def _insert(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    """Insert klines behind which nothing is stored, with their batches."""
    if not arrivals:
        return
    stamp = new_stamp()
    months = _begun_months(arrivals)
    stamped = {(series.symbol_id, series.interval.number) for series, _ in months}
    batches = _write_batches(connection, arrivals, stamped, stamp)
    if not insert_if_new(connection, t.klines, _rows(arrivals, batches)):
        raise StoreConflict("klines were written without the lock of their symbol")
    write_stamps(connection, months, stamp, max(one.arrived_ms for one in arrivals))


def _begun_months(arrivals: Sequence[Arrival]) -> list[tuple[Series, int]]:
    """Return the months that get their first kline, which alone are stamped.

    No copy is made of a month that nothing is stored behind, and only there these are written.
    """
    return [
        (one.series, month_ms)
        for one in arrivals
        if one.klines[-1].open_time_ms >= month_of(_slot_before(one)).end_ms
        for month_ms in months_of(kline.open_time_ms for kline in one.klines)
        if month_ms > _slot_before(one)
    ]


def _rows(arrivals: Sequence[Arrival], batches: dict[_Key, int]) -> list[KlineRow]:
    return [
        (*_key(one), *kline, int(is_irregular(kline, one.series.interval)), batches[_key(one)])
        for one in arrivals
        for kline in one.klines
    ]


def _read_newest(
    connection: Connection, arrivals: Sequence[Arrival], since: Callable[[Arrival], int]
) -> dict[_Key, int]:
    """Return the newest open times stored since a slot of each arrival, or somewhat before."""
    k = t.klines.c
    newest: dict[_Key, int] = {}
    # An interval at a time: a day has a row of 1d and 1,440 of 1m.
    for number in sorted({one.series.interval.number for one in arrivals}):
        those = [one for one in arrivals if one.series.interval.number == number]
        query = (
            select(k.symbol_id, func.max(k.open_time_ms))
            .where(
                k.symbol_id.in_(_ids(those)),
                k.interval_id == number,
                k.open_time_ms >= min(map(since, those)),
            )
            .group_by(k.symbol_id)
        )
        newest |= {(row[0], number): row[1] for row in connection.execute(query)}
    return newest


def _write_batches(
    connection: Connection, arrivals: Sequence[Arrival], stamped: Collection[_Key], stamp: int
) -> dict[_Key, int]:
    """Insert a batch for each arrival, with `stamp` those of `stamped`; return their numbers."""
    numbers: dict[_Key, int] = {}
    for start in range(0, len(arrivals), _SLICE):
        part = arrivals[start : start + _SLICE]
        first = _next_batch(connection) if connection.dialect.name == "sqlite" else 0
        _insert_batches(
            connection, [_batch_row(one, stamp if _key(one) in stamped else 0) for one in part]
        )
        if connection.dialect.name != "sqlite":
            first = int(connection.execute(text("SELECT LAST_INSERT_ID()")).scalar_one())
        # Numbers of one statement begin there, but nothing says that they are consecutive.
        numbers |= _find_batches(connection, part, first)
    return numbers


def _insert_batches(connection: Connection, batches: Sequence[tuple[int | str, ...]]) -> None:
    # One statement, and not by SQLAlchemy: compiling thousands of values takes longer than
    # everything else here together.
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(name) for name in _BATCH_COLUMNS)
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    one_row = f"({', '.join([mark] * len(_BATCH_COLUMNS))})"
    values = tuple(chain.from_iterable(batches))
    connection.exec_driver_sql(
        f"INSERT INTO ingest_batches ({names}) VALUES {', '.join([one_row] * len(batches))}",  # noqa: S608  constants only
        values,
    )


def _batch_row(one: Arrival, stamp: int) -> tuple[int | str, ...]:
    return (*_key(one), Source.WS.value, one.url, one.arrived_ms, len(one.klines), stamp)


def _next_batch(connection: Connection) -> int:
    newest = connection.execute(select(func.max(t.ingest_batches.c.id))).scalar_one()
    return int(newest or 0) + 1


def _find_batches(
    connection: Connection, arrivals: Sequence[Arrival], first: int
) -> dict[_Key, int]:
    # Under the symbols' locks nobody else adds batches of these series.
    b = t.ingest_batches.c
    query = select(b.symbol_id, b.interval_id, b.fetched_at_ms, b.id).where(
        b.id >= first, b.source == Source.WS.value
    )
    wanted = {(*_key(one), one.arrived_ms) for one in arrivals}
    rows = connection.execute(query.order_by(b.id))
    return {(row[0], row[1]): row[3] for row in rows if (row[0], row[1], row[2]) in wanted}


def _announce(connection: Connection, arrivals: Sequence[Arrival], newest: int) -> None:
    keys: dict[int, list[str]] = {}
    for one in arrivals:
        told = one.klines[-newest:] if newest > 0 else ()
        named = [kline_key(one.series, kline.open_time_ms) for kline in told]
        keys.setdefault(one.arrived_ms, []).extend(named)
    for arrived_ms in sorted(keys):
        announce(connection, "klines", keys[arrived_ms], arrived_ms)


def _write_watermarks(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    rows = [
        {
            "symbol_id": one.series.symbol_id,
            "interval_id": one.series.interval.number,
            "open_time_ms": _slot(one, -1),
        }
        for one in arrivals
    ]
    if rows:
        upsert(connection, t.watermarks, rows, key=("symbol_id", "interval_id"))
