"""Batches: the provenance of klines that were written together."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from market.store import tables as t
from market.store.symbols import Series


class Source(StrEnum):
    """Where a batch of klines came from."""

    ARCHIVE_MONTHLY = "archive_monthly"
    ARCHIVE_DAILY = "archive_daily"
    REST = "rest"
    WS = "ws"
    IMPORT = "import"


class Batch(NamedTuple):
    """The provenance of klines that arrived together.

    Attributes:
        sha256: the file's, in hex.
        etag: the archive's own mark of the file's content.
    """

    source: Source
    url: str
    fetched_at_ms: int
    sha256: str | None = None
    etag: str | None = None


class Written(NamedTuple):
    """What a write did: rows that were new, rows whose values changed."""

    inserted: int
    changed: int


def is_archive(source: Source) -> bool:
    """Tell whether a batch is a file of the archive."""
    return source in (Source.ARCHIVE_MONTHLY, Source.ARCHIVE_DAILY)


def open_batch(connection: Connection, series: Series, batch: Batch, stamp: int) -> int:
    """Write a batch whose rows are to come; return its number.

    The months it changes will bear `stamp`.
    """
    result = connection.execute(
        t.ingest_batches.insert().values(
            symbol_id=series.symbol_id,
            interval_id=series.interval.number,
            source=batch.source.value,
            url=batch.url,
            sha256=batch.sha256,
            fetched_at_ms=batch.fetched_at_ms,
            rows=0,
            etag=batch.etag,
            checked_at_ms=None if batch.etag is None else batch.fetched_at_ms,
            stamp=stamp,
        )
    )
    key = result.inserted_primary_key
    if key is None:
        raise AssertionError("the engine gave the batch no number")
    return int(key[0])


def close_batch(
    connection: Connection, batch: Batch, batch_id: int, rows: int, written: Written
) -> None:
    """Write how many rows a batch held, or drop one that brought nothing new.

    It is worth a row only where it says that a file of the archive needs no second look.
    """
    b = t.ingest_batches
    if written == (0, 0) and not is_archive(batch.source):
        connection.execute(b.delete().where(b.c.id == batch_id))
    else:
        connection.execute(b.update().where(b.c.id == batch_id).values(rows=rows))
