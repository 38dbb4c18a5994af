"""Writing and reading klines, with their provenance and their revisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, cast, func, literal, or_, select
from sqlalchemy.dialects import mysql

from market.kline import Kline, exact_kline, is_irregular
from market.store import tables as t
from market.store.bulk import (
    KLINE_COLUMNS,
    KLINE_KEY,
    KLINE_VALUES,
    KlineRow,
    insert_if_new,
    insert_rows,
)
from market.store.engine import Store
from market.store.outbox import announce, kline_key
from market.store.symbols import Series, lock_symbol
from market.store.upsert import upsert_from_select

# The unused field is not part of what a kline says: the archive and REST may differ in it.
_COMPARED = tuple(name for name in KLINE_VALUES if name != "ignore")
_DECIMALS = frozenset(KLINE_VALUES) - {"close_time_ms", "number_of_trades", "ignore"}


class Source(StrEnum):
    """Where a batch of klines came from."""

    ARCHIVE_MONTHLY = "archive_monthly"
    ARCHIVE_DAILY = "archive_daily"
    REST = "rest"
    WS = "ws"
    IMPORT = "import"


class Batch(NamedTuple):
    """The provenance of klines that arrived together; `sha256` is the file's, in hex."""

    source: Source
    url: str
    fetched_at_ms: int
    sha256: str | None = None


class Written(NamedTuple):
    """What a write did: rows that were new, rows whose values changed."""

    inserted: int
    changed: int


def write_klines(
    store: Store,
    series: Series,
    klines: Sequence[Kline],
    batch: Batch,
    *,
    announce_from_ms: int | None = None,
    known_empty: bool = False,
) -> Written:
    """Store closed klines in one transaction; writing the same again changes nothing.

    A stored kline whose values differ is replaced and its old values are kept as a revision.
    Of several klines with one open time the last wins. Klines opening at
    `announce_from_ms` or later that are new or changed are announced in the outbox. Where
    nothing is stored in the klines' range, `known_empty` is the quicker way; where that
    turns out to be wrong the result is the same.

    Raises:
        StoreUnavailable: the database does not answer; nothing was written.
        DataError: a kline can't be kept exactly; nothing was written.
    """
    by_open = {kline.open_time_ms: exact_kline(kline) for kline in klines}
    if not by_open:
        return Written(0, 0)
    ordered = [by_open[open_ms] for open_ms in sorted(by_open)]

    def work(connection: Connection) -> Written:
        lock_symbol(connection, series.symbol_id)
        batch_id = _write_batch(connection, series, batch, len(ordered))
        rows = _rows(series, ordered, batch_id)
        if known_empty and insert_if_new(connection, t.klines, rows):
            touched, changed = list(by_open), 0
        else:
            touched, changed = _merge(connection, rows, batch_id, batch.fetched_at_ms)
            if not touched and not _is_archive(batch.source):
                _drop_batch(connection, batch_id)
        if announce_from_ms is not None:
            keys = [kline_key(series, ms) for ms in touched if ms >= announce_from_ms]
            announce(connection, "klines", keys, batch.fetched_at_ms)
        return Written(len(touched) - changed, changed)

    return store.transact(work)


def _rows(series: Series, klines: Sequence[Kline], batch_id: int) -> list[KlineRow]:
    head = (series.symbol_id, series.interval.number)
    return [
        (*head, *kline, int(is_irregular(kline, series.interval)), batch_id) for kline in klines
    ]


def _merge(
    connection: Connection, rows: Sequence[KlineRow], batch_id: int, replaced_at_ms: int
) -> tuple[list[int], int]:
    """Return the open times that are new or changed, and how many are changed."""
    insert_rows(connection, t.kline_staging, rows)
    query = _different(batch_id).with_only_columns(t.kline_staging.c.open_time_ms)
    touched = list(connection.execute(query).scalars())
    changed = 0
    if touched:
        changed = _write_revisions(connection, batch_id, replaced_at_ms)
        upsert_from_select(connection, t.klines, KLINE_COLUMNS, _different(batch_id))
    connection.execute(t.kline_staging.delete().where(t.kline_staging.c.batch_id == batch_id))
    return touched, changed


def _is_archive(source: Source) -> bool:
    return source in (Source.ARCHIVE_MONTHLY, Source.ARCHIVE_DAILY)


def _write_batch(connection: Connection, series: Series, batch: Batch, rows: int) -> int:
    result = connection.execute(
        t.ingest_batches.insert().values(
            symbol_id=series.symbol_id,
            interval_id=series.interval.number,
            source=batch.source.value,
            url=batch.url,
            sha256=batch.sha256,
            fetched_at_ms=batch.fetched_at_ms,
            rows=rows,
        )
    )
    key = result.inserted_primary_key
    if key is None:
        raise AssertionError("the engine gave the batch no number")
    return int(key[0])


def _drop_batch(connection: Connection, batch_id: int) -> None:
    # A batch that brought nothing new is worth a row only where it says that a file of
    # the archive needs no second look.
    connection.execute(t.ingest_batches.delete().where(t.ingest_batches.c.id == batch_id))


def _pairs(*, outer: bool) -> Any:
    s, k = t.kline_staging, t.klines
    same = and_(*(s.c[name] == k.c[name] for name in KLINE_KEY))
    return s.join(k, same, isouter=outer)


def _differs() -> Any:
    s, k = t.kline_staging.c, t.klines.c
    return or_(*(s[name] != k[name] for name in _COMPARED))


def _different(batch_id: int) -> Select[Any]:
    s, k = t.kline_staging.c, t.klines.c
    return (
        select(*(s[name] for name in KLINE_COLUMNS))
        .select_from(_pairs(outer=True))
        .where(s.batch_id == batch_id, or_(k.open_time_ms.is_(None), _differs()))
    )


def _write_revisions(connection: Connection, batch_id: int, replaced_at_ms: int) -> int:
    names = (*KLINE_COLUMNS, "replaced_at_ms", "replaced_by_batch_id")
    old = (
        select(
            *(t.klines.c[name] for name in KLINE_COLUMNS),
            literal(replaced_at_ms),
            literal(batch_id),
        )
        .select_from(_pairs(outer=False))
        .where(t.kline_staging.c.batch_id == batch_id, _differs())
    )
    return connection.execute(t.kline_revisions.insert().from_select(names, old)).rowcount


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


def read_newest_open(connection: Connection, series: Series) -> int | None:
    """Return the newest stored open time, `None` for an empty series."""
    query = select(func.max(t.klines.c.open_time_ms)).where(_of(series))
    newest: int | None = connection.execute(query).scalar_one()
    return newest


def read_ingested_urls(connection: Connection, series: Series) -> dict[str, str | None]:
    """Return the archive files already stored of a series: url -> sha256."""
    b = t.ingest_batches.c
    archive = [source.value for source in Source if _is_archive(source)]
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
