"""Writing and reading klines, with their provenance and their revisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, cast, func, literal, select
from sqlalchemy.dialects import mysql

from market.kline import Kline, exact_kline, is_irregular
from market.store import tables as t
from market.store.bulk import KLINE_VALUES, KlineBlock, KlineLines, KlineRow, insert_if_new
from market.store.engine import Store
from market.store.kline_batches import Batch as Batch
from market.store.kline_batches import Source as Source
from market.store.kline_batches import Written as Written
from market.store.kline_batches import close_batch, is_archive, open_batch
from market.store.kline_merge import merge_rows
from market.store.kline_months import iter_months, months_of, new_stamp, write_stamps
from market.store.kline_slots import Move, move_klines, plan_moves, slot_runs
from market.store.outbox import announce, kline_key
from market.store.symbols import VENUE, Series, lock_symbol

_DECIMALS = frozenset(KLINE_VALUES) - {"close_time_ms", "number_of_trades", "ignore"}


#: Klines that are written together: proved lines, or klines in ascending order.
KlinePart = KlineLines | Sequence[Kline]


def write_klines(
    store: Store,
    series: Series,
    klines: Sequence[Kline],
    batch: Batch,
    *,
    announce_from_ms: int | None = None,
) -> Written:
    """Store closed klines in one transaction; writing the same again changes nothing.

    A stored kline whose values differ is replaced and its old values are kept as a revision,
    and so is one that opens at another time of the slot that a new kline opens in. Of
    several klines with one open time the last wins. Klines opening at
    `announce_from_ms` or later that are new or changed are announced in the outbox, those
    that gave way with them. Where nothing is stored in the klines' slots, they are loaded
    the quicker way.

    Raises:
        StoreUnavailable: the database does not answer; nothing was written.
        DataError: a kline can't be kept exactly; nothing was written.
    """
    by_open = {kline.open_time_ms: exact_kline(kline) for kline in klines}
    if not by_open:
        return Written(0, 0)
    ordered = [by_open[open_ms] for open_ms in sorted(by_open)]
    task = _Task(series, batch, announce_from_ms)
    return store.transact(lambda connection: _write(connection, task, [ordered]))


def write_kline_parts(
    store: Store,
    series: Series,
    read_parts: Callable[[], Iterable[KlinePart]],
    batch: Batch,
    *,
    announce_from_ms: int | None = None,
) -> Written:
    """Store the parts of one file in one transaction, as `write_klines` does, part by part.

    Open times ascend from part to part; one part at a time is held in memory. `read_parts`
    is called again where the transaction has to be run again; what it raises leaves
    nothing written.

    Raises:
        StoreUnavailable, DataError: as `write_klines`.
    """

    def work(connection: Connection) -> Written:
        exact = (
            part if isinstance(part, KlineLines) else [exact_kline(kline) for kline in part]
            for part in read_parts()
        )
        return _write(connection, _Task(series, batch, announce_from_ms), exact)

    return store.transact(work)


class _Task(NamedTuple):
    series: Series
    batch: Batch
    announce_from_ms: int | None


def _write(connection: Connection, task: _Task, parts: Iterable[KlinePart]) -> Written:
    lock_symbol(connection, task.series.symbol_id)
    stamp = new_stamp()
    batch_id = open_batch(connection, task.series, task.batch, stamp)
    rows = inserted = changed = 0
    months: set[int] = set()
    before_ms: int | None = None
    for part in parts:
        if not isinstance(part, KlineLines) and not part:
            continue
        written, told = _write_part(connection, task, part, batch_id, before_ms)
        months.update(told)
        rows += part.rows if isinstance(part, KlineLines) else len(part)
        inserted, changed = inserted + written.inserted, changed + written.changed
        before_ms = part.last_open_ms if isinstance(part, KlineLines) else part[-1].open_time_ms
    stamped = [(task.series, month_ms) for month_ms in sorted(months)]
    write_stamps(connection, stamped, stamp, task.batch.fetched_at_ms)
    close_batch(connection, task.batch, batch_id, rows, Written(inserted, changed))
    return Written(inserted, changed)


def _write_part(
    connection: Connection, task: _Task, part: KlinePart, batch_id: int, before_ms: int | None
) -> tuple[Written, Iterable[int]]:
    """Write a part that is not empty; `before_ms` is the last open time of the one before.

    Returns what that did, and the starts of the months it changed.
    """
    series, fetched_at_ms = task.series, task.batch.fetched_at_ms
    rows: KlineBlock | list[KlineRow]
    if isinstance(part, KlineLines):
        rows = KlineBlock(part, series.symbol_id, series.interval.number, batch_id)
        first_ms, last_ms, count = part.first_open_ms, part.last_open_ms, part.rows
    else:
        rows = _rows(series, part, batch_id)
        first_ms, last_ms, count = part[0].open_time_ms, part[-1].open_time_ms, len(part)
    # An announcement names no venue: those of a second one would be taken for the first's.
    is_announced = task.announce_from_ms is not None and task.series.venue == VENUE
    announces = is_announced and last_ms >= (task.announce_from_ms or 0)
    touched: Sequence[int] = ()
    months: Iterable[int]
    if not _holds(connection, series, first_ms, last_ms) and insert_if_new(
        connection, t.klines, rows
    ):
        written = Written(count, 0)
        months = (
            iter_months(first_ms, last_ms)
            if isinstance(part, KlineLines)
            else months_of(_opens(part))
        )
        if announces:
            touched = _opens(part)
    else:
        moves = _plan_moves(connection, series, _opens(part), before_ms)
        move_klines(connection, series, moves, batch_id, fetched_at_ms)
        fresh, changed = merge_rows(connection, rows, batch_id, fetched_at_ms)
        written = Written(len(fresh) - changed - len(moves), changed + len(moves))
        touched = [*fresh, *(move.from_ms for move in moves)]
        months = months_of(touched)
    if announces and task.announce_from_ms is not None:
        keys = [kline_key(series, ms) for ms in touched if ms >= task.announce_from_ms]
        announce(connection, "klines", keys, fetched_at_ms)
    return written, months


def _opens(part: KlinePart) -> list[int]:
    if isinstance(part, KlineLines):
        return part.read_opens()
    return [kline.open_time_ms for kline in part]


def _holds(connection: Connection, series: Series, first_ms: int, last_ms: int) -> bool:
    """Tell whether a kline is stored in the slots from one open time to another."""
    open_time, interval = t.klines.c.open_time_ms, series.interval
    slots = open_time.between(interval.floor(first_ms), interval.close_of(last_ms))
    query = select(literal(1)).where(_of(series), slots).limit(1)
    return connection.execute(query).first() is not None


def _plan_moves(
    connection: Connection, series: Series, told: Sequence[int], before_ms: int | None
) -> list[Move]:
    stored = [
        open_ms
        for run in slot_runs(series.interval, told)
        for open_ms in read_open_times(connection, series, *run)
        # One that the same file told a part earlier may share the slot.
        if open_ms != before_ms
    ]
    return plan_moves(series.interval, stored, told)


def _rows(series: Series, klines: Sequence[Kline], batch_id: int) -> list[KlineRow]:
    head = (series.symbol_id, series.interval.number)
    return [
        (*head, *kline, int(is_irregular(kline, series.interval)), batch_id) for kline in klines
    ]


def _of(series: Series) -> Any:
    k = t.klines.c
    return and_(k.symbol_id == series.symbol_id, k.interval_id == series.interval.number)


def read_klines(
    connection: Connection,
    series: Series,
    start_ms: int | None,
    end_ms: int | None,
    limit: int,
    *,
    newest: bool = False,
) -> list[Kline]:
    """Return up to `limit` klines opening in [start_ms, end_ms), ascending.

    With `newest` they are the last ones of the range, else the first. `None` leaves a
    side open. Numbers have the digits Binance wrote.
    """
    open_time = t.klines.c.open_time_ms
    query = select(open_time, *_values(connection)).where(_of(series))
    if start_ms is not None:
        query = query.where(open_time >= start_ms)
    if end_ms is not None:
        query = query.where(open_time < end_ms)
    query = query.order_by(open_time.desc() if newest else open_time).limit(limit)
    klines = [Kline(*row) for row in connection.execute(query)]
    return klines[::-1] if newest else klines


def _values(connection: Connection) -> list[Any]:
    """Return the columns that make a Kline, numbers as the text Binance wrote.

    The driver's own Decimals take four times as long, and print small ones as 1E-8.
    """
    k = t.klines.c
    if connection.dialect.name == "sqlite":
        return [k[name] for name in KLINE_VALUES]
    return [cast(k[name], mysql.CHAR()) if name in _DECIMALS else k[name] for name in KLINE_VALUES]


def iter_klines(
    store: Store, series: Series, start_ms: int | None, end_ms: int | None, *, page: int = 20_000
) -> Iterator[list[Kline]]:
    """Yield the klines of the range in pages, ascending, one short transaction a page."""
    while True:
        with store.read() as connection:
            klines = read_klines(connection, series, start_ms, end_ms, page)
        if klines:
            yield klines
        if len(klines) < page:
            return
        start_ms = klines[-1].open_time_ms + 1


def read_open_times(
    connection: Connection, series: Series, start_ms: int, end_ms: int
) -> list[int]:
    """Return the open times stored in [start_ms, end_ms), ascending."""
    open_time = t.klines.c.open_time_ms
    query = (
        select(open_time)
        .where(_of(series), open_time >= start_ms, open_time < end_ms)
        .order_by(open_time)
    )
    return list(connection.execute(query).scalars())


def count_klines(
    connection: Connection, series: Series, start_ms: int, end_ms: int
) -> tuple[int, int]:
    """Return how many klines open in [start_ms, end_ms), and how many of them are irregular."""
    k = t.klines.c
    query = select(func.count(), func.coalesce(func.sum(k.irregular), 0)).where(
        _of(series), k.open_time_ms >= start_ms, k.open_time_ms < end_ms
    )
    rows, irregular = connection.execute(query).one()
    return int(rows), int(irregular)


def read_newest_open(connection: Connection, series: Series) -> int | None:
    """Return the newest stored open time, `None` for an empty series."""
    query = select(func.max(t.klines.c.open_time_ms)).where(_of(series))
    newest: int | None = connection.execute(query).scalar_one()
    return newest


def read_ingested_urls(connection: Connection, series: Series) -> dict[str, str | None]:
    """Return the archive files already stored of a series: url -> sha256."""
    b = t.ingest_batches.c
    archive = [source.value for source in Source if is_archive(source)]
    query = (
        select(b.url, b.sha256)
        .where(
            b.symbol_id == series.symbol_id,
            b.interval_id == series.interval.number,
            b.source.in_(archive),
        )
        .order_by(b.id)
    )
    return {row.url: row.sha256 for row in connection.execute(query)}
