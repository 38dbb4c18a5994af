"""Writing and reading klines, with their provenance and their revisions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, func, literal, or_, select

from market.kline import Kline, is_irregular
from market.store import tables as t
from market.store.engine import Store
from market.store.outbox import announce, kline_key
from market.store.symbols import Series
from market.store.upsert import upsert_from_select

_KEY = ("symbol_id", "interval_id", "open_time_ms")
_VALUES = (
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
    "ignore",
)
_COLUMNS = (*_KEY, *_VALUES, "irregular", "batch_id")
# The unused field is not part of what a kline says: the archive and REST may differ in it.
_COMPARED = tuple(name for name in _VALUES if name != "ignore")


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
) -> Written:
    """Store closed klines in one transaction; writing the same again changes nothing.

    A stored kline whose values differ is replaced and its old values are kept as a revision.
    Of several klines with one open time the last wins. Klines opening at
    `announce_from_ms` or later that are new or changed are announced in the outbox.

    Raises:
        StoreUnavailable: the database does not answer; nothing was written.
    """
    by_open = {kline.open_time_ms: kline for kline in klines}
    if not by_open:
        return Written(0, 0)
    with store.begin() as connection:
        batch_id = _write_batch(connection, series, batch, len(by_open))
        _stage(connection, series, by_open, batch_id)
        touched = _touched_opens(connection, batch_id)
        changed = _write_revisions(connection, batch_id, batch.fetched_at_ms)
        if touched:
            upsert_from_select(connection, t.klines, _COLUMNS, _different(batch_id))
        connection.execute(t.kline_staging.delete().where(t.kline_staging.c.batch_id == batch_id))
        if announce_from_ms is not None:
            keys = [kline_key(series, ms) for ms in touched if ms >= announce_from_ms]
            announce(connection, "klines", keys, batch.fetched_at_ms)
    return Written(len(touched) - changed, changed)


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


def _stage(
    connection: Connection, series: Series, by_open: dict[int, Kline], batch_id: int
) -> None:
    head = (series.symbol_id, series.interval.number)
    rows = [
        (*head, *kline, int(is_irregular(kline, series.interval)), batch_id)
        for kline in by_open.values()
    ]
    # A memory file spares LOAD DATA the disk; a handful of rows is quicker without it.
    if connection.dialect.name != "sqlite" and len(rows) > 100 and hasattr(os, "memfd_create"):
        _load_data(connection, rows)
        return
    names = ", ".join(_quoted(connection, name) for name in _COLUMNS)
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    connection.exec_driver_sql(
        f"INSERT INTO kline_staging ({names}) VALUES ({', '.join([mark] * len(_COLUMNS))})",  # noqa: S608  constants only
        rows,
    )


def _load_data(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    content = "".join("\t".join(map(str, row)) + "\n" for row in rows).encode("ascii")
    handle = os.memfd_create("klines")
    try:
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(content)
        names = ", ".join(_quoted(connection, name) for name in _COLUMNS)
        path = f"/proc/self/fd/{handle}"
        connection.exec_driver_sql(
            f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE kline_staging"
            f" CHARACTER SET ascii ({names})"
        )
    finally:
        os.close(handle)


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _pairs(*, outer: bool) -> Any:
    s, k = t.kline_staging, t.klines
    same = and_(*(s.c[name] == k.c[name] for name in _KEY))
    return s.join(k, same, isouter=outer)


def _differs() -> Any:
    s, k = t.kline_staging.c, t.klines.c
    return or_(*(s[name] != k[name] for name in _COMPARED))


def _different(batch_id: int) -> Select[Any]:
    s, k = t.kline_staging.c, t.klines.c
    return (
        select(*(s[name] for name in _COLUMNS))
        .select_from(_pairs(outer=True))
        .where(s.batch_id == batch_id, or_(k.open_time_ms.is_(None), _differs()))
    )


def _touched_opens(connection: Connection, batch_id: int) -> list[int]:
    query = _different(batch_id).with_only_columns(t.kline_staging.c.open_time_ms)
    return list(connection.execute(query).scalars())


def _write_revisions(connection: Connection, batch_id: int, replaced_at_ms: int) -> int:
    names = (*_COLUMNS, "replaced_at_ms", "replaced_by_batch_id")
    old = (
        select(*(t.klines.c[name] for name in _COLUMNS), literal(replaced_at_ms), literal(batch_id))
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
    query = select(open_time, *(t.klines.c[name] for name in _VALUES)).where(_of(series))
    if start_ms is not None:
        query = query.where(open_time >= start_ms)
    if end_ms is not None:
        query = query.where(open_time < end_ms)
    query = query.order_by(open_time.desc() if newest else open_time).limit(limit)
    klines = [_kline(row) for row in connection.execute(query)]
    return klines[::-1] if newest else klines


def _kline(row: Any) -> Kline:
    o, h, lo, c, v, q, tb, tq = (str(row[i]) for i in (1, 2, 3, 4, 5, 7, 9, 10))
    return Kline(row[0], o, h, lo, c, v, row[6], q, row[8], tb, tq, row[11])


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
    archive = (Source.ARCHIVE_MONTHLY.value, Source.ARCHIVE_DAILY.value)
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
