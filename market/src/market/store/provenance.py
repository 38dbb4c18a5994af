"""Where stored klines came from: their batches, the files among them, and doubts."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, cast, func, select
from sqlalchemy.dialects import mysql

from market.kline import Kline
from market.store import tables as t
from market.store.bulk import KLINE_VALUES
from market.store.klines import Batch, Source
from market.store.symbols import Series

_PLAIN = frozenset({"close_time_ms", "number_of_trades", "ignore"})
_ARCHIVE = (Source.ARCHIVE_MONTHLY.value, Source.ARCHIVE_DAILY.value)


class SourcedKline(NamedTuple):
    """A stored kline, its flag, and the batch it came with; `source` None: no such batch."""

    kline: Kline
    irregular: bool
    batch_id: int
    source: Source | None


class StoredFile(NamedTuple):
    """A file of the archive as it was last stored; `checked_ms` when it was last seen so."""

    batch_id: int
    source: Source
    url: str
    sha256: str | None
    etag: str | None
    checked_ms: int


class BatchCount(NamedTuple):
    """How many rows a batch says it brought, and how many bear its number."""

    batch_id: int
    source: str | None
    url: str | None
    told: int
    found: int


def read_sourced_klines(
    connection: Connection, series: Series, start_ms: int, end_ms: int
) -> list[SourcedKline]:
    """Return the klines opening in [start_ms, end_ms) with where they came from, ascending."""
    k, b = t.klines.c, t.ingest_batches.c
    values: list[Any] = [k[name] for name in KLINE_VALUES]
    if connection.dialect.name != "sqlite":
        values = [
            column if column.name in _PLAIN else cast(column, mysql.CHAR()) for column in values
        ]
    query = (
        select(k.irregular, k.batch_id, b.source, k.open_time_ms, *values)
        .select_from(t.klines.outerjoin(t.ingest_batches, b.id == k.batch_id))
        .where(_of(t.klines, series), k.open_time_ms >= start_ms, k.open_time_ms < end_ms)
        .order_by(k.open_time_ms)
    )
    return [
        SourcedKline(
            Kline(*row[3:]), bool(row[0]), row[1], None if row[2] is None else Source(row[2])
        )
        for row in connection.execute(query)
    ]


def read_archive_files(connection: Connection, series: Series) -> list[StoredFile]:
    """Return the archive's files stored of a series, each as it was last; by name.

    A file is known by its name: it may have come from several hosts.
    """
    b = t.ingest_batches.c
    query = (
        select(b.id, b.source, b.url, b.sha256, b.etag, b.checked_at_ms, b.fetched_at_ms)
        .where(_of(t.ingest_batches, series), b.source.in_(_ARCHIVE))
        .order_by(b.id)
    )
    newest = {row.url.rsplit("/", 1)[-1]: row for row in connection.execute(query)}
    return [
        StoredFile(
            row.id,
            Source(row.source),
            row.url,
            row.sha256,
            row.etag,
            row.fetched_at_ms if row.checked_at_ms is None else row.checked_at_ms,
        )
        for _, row in sorted(newest.items())
    ]


def write_file_checked(
    connection: Connection, batch_id: int, checked_ms: int, etag: str | None
) -> None:
    """Keep that the archive still had exactly the file of a batch at a time."""
    values: dict[str, Any] = {"checked_at_ms": checked_ms}
    if etag is not None:
        values["etag"] = etag
    b = t.ingest_batches
    connection.execute(b.update().where(b.c.id == batch_id).values(values))


def write_file_seen(connection: Connection, series: Series, batch: Batch, rows: int) -> None:
    """Keep that the archive has a file that brought nothing new, as it is now."""
    connection.execute(
        t.ingest_batches.insert().values(
            symbol_id=series.symbol_id,
            interval_id=series.interval.number,
            source=batch.source.value,
            url=batch.url,
            sha256=batch.sha256,
            etag=batch.etag,
            fetched_at_ms=batch.fetched_at_ms,
            checked_at_ms=batch.fetched_at_ms,
            rows=rows,
            stamp=0,
        )
    )


def count_batches(connection: Connection, series: Series) -> list[BatchCount]:
    """Count the rows, stored and replaced, that bear each batch's number; by number.

    A row whose batch is unknown comes with `source` None. Looks at every row.
    """
    b = t.ingest_batches.c
    found: dict[int, int] = {}
    for table in (t.klines, t.kline_revisions):
        number = table.c.batch_id
        counted = select(number, func.count()).where(_of(table, series)).group_by(number)
        for batch_id, rows in connection.execute(counted):
            found[batch_id] = found.get(batch_id, 0) + rows
    known = {
        row.id: row
        for row in connection.execute(
            select(b.id, b.source, b.url, b.rows).where(_of(t.ingest_batches, series))
        )
    }
    return [
        BatchCount(number, row.source, row.url, row.rows, found.get(number, 0))
        if (row := known.get(number)) is not None
        else BatchCount(number, None, None, 0, found.get(number, 0))
        for number in sorted({*found, *known})
    ]


def _of(table: Any, series: Series) -> Any:
    return and_(
        table.c.symbol_id == series.symbol_id, table.c.interval_id == series.interval.number
    )
