from __future__ import annotations

from typing import Any

import mysql.connector
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from market.errors import DataError
from market.interval import HOUR_MS, Interval
from market.kline import Kline
from market.store import Store, open_store
from market.store.klines import (
    Batch,
    Source,
    Written,
    iter_klines,
    read_ingested_urls,
    read_klines,
    read_newest_open,
    read_open_times,
    write_klines,
)
from market.store.symbols import Series
from market.store.tables import metadata
from support.kline_strategies import klines
from support.klines import START_MS, make_klines
from support.stores import BATCH, count, rows, stored

KLINES = make_klines(Interval.H1, 300)


def _forget(store: Store) -> None:
    with store.begin() as connection:
        connection.execute(metadata.tables["klines"].delete())


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=st.lists(st.lists(klines(), max_size=12), max_size=3))
def test_klines_come_back_to_the_digit(
    store: Store, series: Series, batches: list[list[Kline]]
) -> None:
    _forget(store)

    for batch in batches:
        write_klines(store, series, batch, BATCH)

    newest: dict[int, Kline] = {}
    for batch in batches:
        told = {kline.open_time_ms: kline for kline in batch}
        for slot_ms in {Interval.H1.floor(open_ms) for open_ms in told}:
            strays, fresh = (
                sorted(ms for ms in one if ms not in other and Interval.H1.floor(ms) == slot_ms)
                for one, other in ((newest, told), (told, newest))
            )
            for stray_ms in strays[: len(fresh)]:  # their places are taken
                del newest[stray_ms]
        newest |= told
    expected = [newest[open_ms] for open_ms in sorted(newest)]
    found = stored(store, series)
    assert [kline[:-1] for kline in found] == [kline[:-1] for kline in expected]
    assert count(store, "kline_staging") == 0


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(few=st.lists(klines(), max_size=12))
def test_bulk_load_is_exact_too(store: Store, series: Series, few: list[Kline]) -> None:
    _forget(store)
    many = [*few, *KLINES[100:250]]  # more rows than go in by INSERT

    write_klines(store, series, many, BATCH)

    newest = {kline.open_time_ms: kline for kline in many}
    assert stored(store, series) == [newest[open_ms] for open_ms in sorted(newest)]


def test_same_write_twice_changes_nothing(store: Store, series: Series) -> None:
    first = write_klines(store, series, KLINES, BATCH)
    before = {table: count(store, table) for table in metadata.tables}

    second = write_klines(store, series, KLINES, BATCH, announce_from_ms=0)

    assert (first, second) == (Written(300, 0), Written(0, 0))
    assert {table: count(store, table) for table in metadata.tables} == before
    assert stored(store, series) == KLINES


def test_same_value_written_shorter_is_no_change(store: Store, series: Series) -> None:
    kline = KLINES[0]._replace(open="1.50000000", volume="7.00000000")
    write_klines(store, series, [kline], BATCH)

    again = write_klines(store, series, [kline._replace(open="1.5", volume="7")], BATCH)

    assert again == Written(0, 0)
    assert stored(store, series) == [kline]


def test_overlap_writes_only_what_is_new(store: Store, series: Series) -> None:
    write_klines(store, series, KLINES[:200], BATCH)

    written = write_klines(store, series, KLINES[100:], BATCH)

    assert written == Written(100, 0)
    assert stored(store, series) == KLINES
    assert count(store, "kline_revisions") == 0


def test_changed_kline_leaves_a_revision(store: Store, series: Series) -> None:
    write_klines(store, series, KLINES, BATCH)
    changed = KLINES[7]._replace(close="1.00000001")
    later = Batch(Source.REST, "later", 2_000)

    written = write_klines(store, series, [KLINES[6], changed], later)

    assert written == Written(0, 1)
    assert stored(store, series) == [*KLINES[:7], changed, *KLINES[8:]]
    (revision,) = rows(store, "SELECT * FROM kline_revisions")
    assert f"{revision['close']}" == KLINES[7].close
    assert revision["open_time_ms"] == KLINES[7].open_time_ms
    assert revision["replaced_at_ms"] == 2_000
    (batch,) = rows(store, "SELECT id FROM ingest_batches WHERE url = 'later'")
    assert revision["replaced_by_batch_id"] == batch["id"]
    assert revision["batch_id"] != batch["id"]


def test_unused_field_alone_is_no_change(store: Store, series: Series) -> None:
    write_klines(store, series, KLINES[:1], BATCH)

    written = write_klines(store, series, [KLINES[0]._replace(ignore="17")], BATCH)

    assert written == Written(0, 0)
    assert count(store, "kline_revisions") == 0


def test_last_of_duplicates_wins(store: Store, series: Series) -> None:
    first, last = KLINES[3], KLINES[3]._replace(volume="0.00000001")

    written = write_klines(store, series, [first, last], BATCH)

    assert written == Written(1, 0)
    assert stored(store, series) == [last]


def test_server_that_allows_no_local_file_gets_inserts(
    database: str, store: Store, series: Series
) -> None:
    many = make_klines(Interval.H1, 6_000)
    careful = open_store(database)

    @event.listens_for(careful.engine, "before_cursor_execute")
    def refuse(*arguments: Any) -> None:
        if arguments[2].startswith("LOAD DATA"):
            refused = mysql.connector.Error("Loading local data is disabled", errno=3948)
            raise DBAPIError(arguments[2], None, refused)

    written = write_klines(careful, series, many, BATCH)
    careful.close()

    assert written == Written(6_000, 0)
    assert stored(store, series) == many


def test_irregular_kline_keeps_its_times(store: Store, series: Series) -> None:
    late = KLINES[0]._replace(open_time_ms=START_MS + 137, close_time_ms=START_MS + 900)

    write_klines(store, series, [late, KLINES[1]], BATCH)

    assert stored(store, series) == [late, KLINES[1]]
    flags = rows(store, "SELECT irregular FROM klines ORDER BY open_time_ms")
    assert [bool(row["irregular"]) for row in flags] == [True, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"open": "0.000000001"},
        {"close": "1000000000000.00000000"},
        {"volume": "-1.00000000"},
        {"high": "NaN"},
        {"low": "much"},
        {"open_time_ms": -1},
        {"ignore": "a\tb"},
    ],
)
def test_kline_that_cannot_be_kept_exactly_changes_nothing(
    store: Store, series: Series, wrong: dict[str, object]
) -> None:
    broken = Kline(**{**KLINES[1]._asdict(), **wrong})  # type: ignore[arg-type]

    with pytest.raises(DataError, match=str(broken.open_time_ms)):
        write_klines(store, series, [KLINES[0], broken], BATCH)

    assert stored(store, series) == []
    assert count(store, "ingest_batches") == 0


def test_reads_take_a_half_open_range(store: Store, series: Series) -> None:
    write_klines(store, series, KLINES, BATCH)
    start, end = KLINES[10].open_time_ms, KLINES[20].open_time_ms

    with store.read() as connection:
        assert read_klines(connection, series, start, end, 100) == KLINES[10:20]
        assert read_klines(connection, series, start, end, 3) == KLINES[10:13]
        assert read_klines(connection, series, start, end, 3, newest=True) == KLINES[17:20]
        assert read_klines(connection, series, None, None, 2, newest=True) == KLINES[-2:]
        opens = read_open_times(connection, series, start, end)
        assert opens == [kline.open_time_ms for kline in KLINES[10:20]]
        assert read_newest_open(connection, series) == KLINES[-1].open_time_ms


def test_pages_follow_each_other(store: Store, series: Series) -> None:
    write_klines(store, series, KLINES, BATCH)

    pages = list(iter_klines(store, series, KLINES[5].open_time_ms, None, page=70))

    assert [kline for page in pages for kline in page] == KLINES[5:]
    assert {len(page) for page in pages[:-1]} == {70}


def test_empty_series_reads_as_nothing(store: Store, series: Series) -> None:
    with store.read() as connection:
        assert read_newest_open(connection, series) is None
        assert read_klines(connection, series, 0, HOUR_MS, 10) == []
    assert list(iter_klines(store, series, None, None)) == []
    assert write_klines(store, series, [], BATCH) == Written(0, 0)


def test_archive_files_are_remembered(store: Store, series: Series) -> None:
    file = Batch(Source.ARCHIVE_MONTHLY, "https://archive/a.zip", 1, sha256="ab" * 32)

    write_klines(store, series, KLINES[:5], BATCH)
    write_klines(store, series, KLINES[:5], file)

    with store.read() as connection:
        assert read_ingested_urls(connection, series) == {"https://archive/a.zip": "ab" * 32}


def test_new_and_changed_klines_are_announced(store: Store, series: Series) -> None:
    write_klines(store, series, KLINES[:4], BATCH)
    changed = KLINES[2]._replace(close="5.00000000")

    write_klines(
        store,
        series,
        [KLINES[1], changed, *KLINES[4:8]],
        BATCH,
        announce_from_ms=KLINES[2].open_time_ms,
    )

    keys = [row["key"] for row in rows(store, "SELECT * FROM outbox ORDER BY 2")]
    announced = [changed, *KLINES[4:8]]
    assert keys == [f"BTCUSDT|1h|{kline.open_time_ms}" for kline in announced]
