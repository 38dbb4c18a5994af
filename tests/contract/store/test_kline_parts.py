"""Files written part by part: lines as they are, klines, and both in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import mysql.connector
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from market.errors import DataError
from market.interval import Interval
from market.kline import Kline
from market.store import Store, open_store
from market.store.bulk import KlineLines
from market.store.klines import (
    Batch,
    KlinePart,
    Source,
    Written,
    write_kline_parts,
    write_klines,
)
from market.store.symbols import Series
from market.store.tables import metadata
from support.kline_strategies import klines
from support.klines import make_klines
from support.stores import BATCH, count, rows, stored

KLINES = make_klines(Interval.H1, 600)
FILE = Batch(Source.ARCHIVE_MONTHLY, "https://archive/a.zip", 2_000, "ab" * 32, '"mark"')


def lines_of(part: Sequence[Kline], ticks_a_ms: int = 1) -> KlineLines:
    """Return klines as the lines an archive file holds them in."""
    text = ""
    for kline in part:
        fields: list[object] = list(kline)
        fields[0] = kline.open_time_ms * ticks_a_ms
        fields[6] = kline.close_time_ms * ticks_a_ms + ticks_a_ms - 1
        text += ",".join(map(str, fields)) + "\n"
    ends = (part[0].open_time_ms, part[-1].open_time_ms)
    return KlineLines(text.encode(), len(part), *ends, ticks_a_ms)


def write(store: Store, series: Series, parts: Sequence[KlinePart], **asked: Any) -> Written:
    return write_kline_parts(store, series, lambda: parts, FILE, **asked)


@pytest.mark.parametrize("ticks_a_ms", [1, 1000], ids=["ms", "us"])
def test_lines_are_stored_as_the_klines_they_hold(
    store: Store, series: Series, ticks_a_ms: int
) -> None:
    parts = [lines_of(KLINES[:250], ticks_a_ms), lines_of(KLINES[250:], ticks_a_ms)]

    assert write(store, series, parts) == Written(600, 0)

    by_lines = rows(store, "SELECT * FROM klines ORDER BY open_time_ms")
    with store.begin() as connection:
        connection.execute(metadata.tables["klines"].delete())
    write_klines(store, series, KLINES, BATCH)
    by_klines = rows(store, "SELECT * FROM klines ORDER BY open_time_ms")
    without_batch = [{**row, "batch_id": None} for row in by_lines]
    assert without_batch == [{**row, "batch_id": None} for row in by_klines]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=st.lists(klines(), min_size=1, max_size=12, unique_by=lambda k: k.open_time_ms))
def test_extreme_numbers_in_lines_come_back_to_the_digit(
    store: Store, series: Series, drawn: list[Kline]
) -> None:
    with store.begin() as connection:
        connection.execute(metadata.tables["klines"].delete())
    ordered = sorted(kline._replace(ignore="0") for kline in drawn)

    write(store, series, [lines_of(ordered)])

    assert stored(store, series) == ordered


def test_lines_over_stored_klines_change_what_differs(store: Store, series: Series) -> None:
    write_klines(store, series, KLINES[100:300], BATCH)
    changed = KLINES[200]._replace(close="1.00000001")
    given = [*KLINES[:200], changed, *KLINES[201:]]

    written = write(store, series, [lines_of(given[:150]), lines_of(given[150:], 1000)])

    assert written == Written(400, 1)
    assert stored(store, series) == given
    assert [row["open_time_ms"] for row in rows(store, "SELECT * FROM kline_revisions")] == [
        changed.open_time_ms
    ]
    assert count(store, "kline_staging") == 0


def test_the_same_file_again_changes_nothing(store: Store, series: Series) -> None:
    parts: list[KlinePart] = [lines_of(KLINES[:300]), KLINES[300:310], lines_of(KLINES[310:])]
    write(store, series, parts)

    assert write(store, series, parts, announce_from_ms=0) == Written(0, 0)

    assert stored(store, series) == KLINES
    assert count(store, "outbox") == 0
    assert [row["rows"] for row in rows(store, "SELECT * FROM ingest_batches")] == [600, 600]


def test_a_file_keeps_its_provenance(store: Store, series: Series) -> None:
    write(store, series, [lines_of(KLINES)])

    (batch,) = rows(store, "SELECT * FROM ingest_batches")
    assert (batch["rows"], batch["sha256"]) == (600, FILE.sha256)
    assert (batch["etag"], batch["checked_at_ms"]) == (FILE.etag, 2_000)


def test_parts_that_end_in_an_error_leave_nothing(store: Store, series: Series) -> None:
    write_klines(store, series, KLINES[:50], BATCH)

    def read_parts() -> Iterator[KlinePart]:
        yield lines_of(KLINES[:300])
        yield KLINES[300:301]
        raise DataError("the rest is damaged")

    with pytest.raises(DataError, match="the rest is damaged"):
        write_kline_parts(store, series, read_parts, FILE)

    assert stored(store, series) == KLINES[:50]
    assert count(store, "ingest_batches") == 1


def test_a_kline_among_the_parts_that_cannot_be_kept_leaves_nothing(
    store: Store, series: Series
) -> None:
    with pytest.raises(DataError, match="open of kline"):
        write(store, series, [lines_of(KLINES[:9]), [KLINES[9]._replace(open="1.123456789")]])

    assert stored(store, series) == []
    assert count(store, "ingest_batches") == 0


def test_only_the_newest_of_the_lines_are_announced(store: Store, series: Series) -> None:
    newest = KLINES[590:]
    parts = [lines_of(KLINES[:300], 1000), lines_of(KLINES[300:], 1000)]

    write(store, series, parts, announce_from_ms=newest[0].open_time_ms)

    keys = {row["key"] for row in rows(store, "SELECT * FROM outbox")}
    assert keys == {f"BTCUSDT|1h|{kline.open_time_ms}" for kline in newest}


def test_a_server_that_allows_no_local_file_gets_the_lines_by_inserts(
    database: str, store: Store, series: Series
) -> None:
    careful = open_store(database)

    @event.listens_for(careful.engine, "before_cursor_execute")
    def refuse(*arguments: Any) -> None:
        if arguments[2].startswith("LOAD DATA"):
            refused = mysql.connector.Error("Loading local data is disabled", errno=3948)
            raise DBAPIError(arguments[2], None, refused)

    written = write(careful, series, [lines_of(KLINES[:300]), lines_of(KLINES[300:], 1000)])
    careful.close()

    assert written == Written(600, 0)
    assert stored(store, series) == KLINES
