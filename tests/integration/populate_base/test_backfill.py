"""Backfills: the archive, then REST, exactly and only what is missing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from market.errors import ExchangeRefused, NotFound, RateLimited
from market.gaps import Cause, Gap
from market.interval import DAY_MS, HOUR_MS, Interval
from market.kline import Kline
from market.store import Store
from market.store import tables as t
from market.times import parse_time_ms
from populate_base.backfill import Backfill, Pace, Sources
from populate_base.faults import Blocked
from populate_base.plan import COSTS
from populate_base.progress import LoggedProgress
from support.archive import write_archive_months
from support.file_server import serving_files
from support.klines import START_MS
from support.populator import (
    batches_of,
    control,
    ledger_of,
    make_backfill,
    opened_sources,
    opened_store,
    register,
    requests_made,
    stored_klines,
    write_hours,
)
from support.ports import free_port
from support.simulator import Simulator, run_simulator

#: The hours that have closed at 2024-02-15T12:30Z.
CLOSED = 45 * 24 + 12


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator for the module: each start takes seconds."""
    folder = tmp_path_factory.mktemp("simulator")
    write_hours(folder / "archive")
    options = ["--now", "2024-02-15T12:30:00Z", "--speed", "0"]
    with run_simulator(folder / "archive", folder / "log", options) as simulator:
        yield simulator


@pytest.fixture
def simulator(serving: Simulator) -> Iterator[Simulator]:
    """That simulator, without faults from the test before."""
    yield serving
    control(serving, "faults", kind="reset")


def at(text: str) -> int:
    return parse_time_ms("time", text)


def test_backfill_stores_every_closed_kline_digit_for_digit(
    store: Store, sources: Sources, hours: list[Kline]
) -> None:
    series = register(store, sources, Interval.H1)

    report = make_backfill(store, sources).run(series, START_MS, None)

    assert stored_klines(store, series) == hours[:CLOSED]
    assert ledger_of(store, series) == ([], hours[CLOSED - 1].open_time_ms)
    assert (report.inserted, report.changed, report.missing) == (CLOSED, 0, [])


def test_backfill_takes_the_month_then_pages(store: Store, sources: Sources) -> None:
    series = register(store, sources, Interval.H1)

    report = make_backfill(store, sources).run(series, START_MS, None)

    assert report.batches == {"archive_monthly": 1, "rest": 1}


def test_days_come_as_files_where_pages_are_dear(
    store: Store, sources: Sources, hours: list[Kline]
) -> None:
    series = register(store, sources, Interval.H1)
    pace = Pace(2, costs=COSTS._replace(weight_ms=10_000))
    backfill = Backfill(store, sources, LoggedProgress(), pace)

    report = backfill.run(series, START_MS, at("2024-02-15"))

    assert report.batches == {"archive_monthly": 1, "archive_daily": 14}
    assert stored_klines(store, series) == hours[: 45 * 24]


def test_provenance_names_file_and_digest(
    store: Store, sources: Sources, simulator: Simulator
) -> None:
    series = register(store, sources, Interval.H1)

    make_backfill(store, sources).run(series, START_MS, at("2024-02-01"))

    content = (simulator.data / "BTCUSDT-1h-2024-01.zip").read_bytes()
    url = f"{simulator.url}/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip"
    assert batches_of(store) == [("archive_monthly", url, hashlib.sha256(content).hexdigest())]


def test_backfill_again_asks_for_nothing(store: Store, sources: Sources) -> None:
    series = register(store, sources, Interval.H1)
    make_backfill(store, sources).run(series, START_MS, None)
    before, requests = stored_klines(store, series), requests_made()

    report = make_backfill(store, sources).run(series, START_MS, None)

    assert requests_made() - requests == 1  # the time
    assert not report.batches
    assert stored_klines(store, series) == before


def test_backfill_fills_only_the_hole(store: Store, sources: Sources, hours: list[Kline]) -> None:
    series = register(store, sources, Interval.H1)
    backfill = make_backfill(store, sources)
    backfill.run(series, at("2024-01-01"), at("2024-01-10"))
    backfill.run(series, at("2024-01-12"), at("2024-01-20"))
    gap = Gap(at("2024-01-10"), at("2024-01-12"), Cause.REPAIRABLE)
    assert ledger_of(store, series) == ([gap], at("2024-01-10") - HOUR_MS)

    report = backfill.run(series, at("2024-01-01"), at("2024-01-20"))

    assert report.inserted == 48
    assert stored_klines(store, series) == hours[: 19 * 24]
    assert ledger_of(store, series) == ([], at("2024-01-20") - HOUR_MS)


def test_backfill_before_what_is_stored_leaves_no_false_watermark(
    store: Store, sources: Sources, hours: list[Kline]
) -> None:
    series = register(store, sources, Interval.H1)
    backfill = make_backfill(store, sources)
    backfill.run(series, at("2024-01-20"), at("2024-02-01"))

    backfill.run(series, at("2024-01-01"), at("2024-01-03"))

    gap = Gap(at("2024-01-03"), at("2024-01-20"), Cause.REPAIRABLE)
    assert ledger_of(store, series) == ([gap], at("2024-01-03") - HOUR_MS)
    assert stored_klines(store, series) == hours[: 2 * 24] + hours[19 * 24 : 31 * 24]


def test_time_before_the_listing_is_told_apart(store: Store, sources: Sources) -> None:
    series = register(store, sources, Interval.H1)

    make_backfill(store, sources).run(series, at("2023-11-15"), at("2024-02-01"))

    gap = Gap(at("2023-11-15"), START_MS, Cause.NOT_LISTED)
    assert ledger_of(store, series) == ([gap], at("2024-02-01") - HOUR_MS)
    requests = requests_made()
    assert not make_backfill(store, sources).run(series, at("2023-11-15"), at("2024-02-01")).batches
    assert requests_made() - requests == 1


def test_what_no_source_has_is_explained_and_not_asked_for_again(
    store: Store, hours: list[Kline], tmp_path: Path
) -> None:
    present = hours[:100] + hours[106:500] + hours[560:]
    write_archive_months(tmp_path / "holes", "BTCUSDT", "1h", present)
    with (
        run_simulator(tmp_path / "holes", tmp_path / "log", ["--speed", "0"]) as simulator,
        opened_sources(simulator.url, simulator.url, store) as sources,
    ):
        series = register(store, sources, Interval.H1)
        make_backfill(store, sources).run(series, START_MS, at("2024-02-01"))
        requests = requests_made()
        make_backfill(store, sources).run(series, START_MS, at("2024-02-01"))

    holes = [(hours[100], hours[106]), (hours[500], hours[560])]
    gaps = [Gap(a.open_time_ms, b.open_time_ms, Cause.SOURCE_MISSING) for a, b in holes]
    assert ledger_of(store, series) == (gaps, at("2024-02-01") - HOUR_MS)
    assert requests_made() - requests == 1


@pytest.mark.parametrize("interval", [Interval.H4, Interval.D1, Interval.D3, Interval.W1])
def test_coarser_intervals_come_whole(store: Store, sources: Sources, interval: Interval) -> None:
    series = register(store, sources, interval)

    report = make_backfill(store, sources).run(series, at("2024-01-08"), at("2024-02-12"))

    opens = [kline.open_time_ms for kline in stored_klines(store, series)]
    assert opens == list(interval.iter_opens(at("2024-01-08"), at("2024-02-12")))
    assert report.missing == []


def test_a_file_changed_on_its_way_is_fetched_once_more(
    store: Store, sources: Sources, simulator: Simulator
) -> None:
    series = register(store, sources, Interval.H1)
    control(simulator, "faults", kind="corrupt_zip", count=1)

    report = make_backfill(store, sources).run(series, START_MS, at("2024-02-01"))

    assert report.batches == {"archive_monthly": 1}
    assert report.warnings == []


def test_a_wrong_checksum_is_named_and_the_next_source_asked(
    store: Store, sources: Sources, simulator: Simulator, hours: list[Kline]
) -> None:
    series = register(store, sources, Interval.H1)
    control(simulator, "faults", kind="corrupt_zip", count=2, path="/data/spot/monthly")

    report = make_backfill(store, sources).run(series, START_MS, at("2024-02-01"))

    published = (simulator.data / "BTCUSDT-1h-2024-01.zip.CHECKSUM").read_text().split()[0]
    assert len(report.warnings) == 1
    assert "ChecksumMismatch: BTCUSDT-1h-2024-01.zip has the SHA-256" in report.warnings[0]
    assert published in report.warnings[0]
    assert report.batches == {"rest": 1}
    assert stored_klines(store, series) == hours[: 31 * 24]


@pytest.mark.parametrize("content", [b"PK\x03\x04 cut", b"", b"<html>blocked</html>"])
def test_a_damaged_zip_with_a_right_checksum_is_left_out(
    store: Store, simulator: Simulator, hours: list[Kline], tmp_path: Path, content: bytes
) -> None:
    files = tmp_path / "files"
    folder = files / "data/spot/monthly/klines/BTCUSDT/1h"
    folder.mkdir(parents=True)
    path = folder / "BTCUSDT-1h-2024-01.zip"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    path.with_name(f"{path.name}.CHECKSUM").write_text(f"{digest}  {path.name}\n")

    with serving_files(files) as url, opened_sources(simulator.url, url, store) as sources:
        series = register(store, sources, Interval.H1)
        report = make_backfill(store, sources).run(series, START_MS, at("2024-02-01"))

    assert len(report.warnings) == 1
    assert "DataError: BTCUSDT-1h-2024-01.zip is damaged" in report.warnings[0]
    assert report.batches == {"rest": 1}
    assert stored_klines(store, series) == hours[: 31 * 24]


def test_an_archive_that_is_away_leaves_all_to_rest(
    store: Store, simulator: Simulator, hours: list[Kline]
) -> None:
    with opened_sources(simulator.url, f"http://127.0.0.1:{free_port()}", store) as sources:
        series = register(store, sources, Interval.H1)
        report = make_backfill(store, sources).run(series, START_MS, None)

    assert report.batches == {"rest": 2}
    assert len(report.warnings) == 1
    assert stored_klines(store, series) == hours[:CLOSED]


def test_passing_faults_are_waited_out(
    store: Store, sources: Sources, simulator: Simulator, hours: list[Kline]
) -> None:
    series = register(store, sources, Interval.H1)
    control(simulator, "faults", kind="status", status=503, count=2, path="/api/v3/klines")
    control(simulator, "faults", kind="status", status=500, count=1, path="/data")

    make_backfill(store, sources).run(series, START_MS, None)

    assert stored_klines(store, series) == hours[:CLOSED]


@pytest.mark.parametrize(
    ("status", "kind"), [(418, RateLimited), (451, ExchangeRefused), (403, Blocked)]
)
def test_refusals_end_the_backfill_with_their_error(
    store: Store, sources: Sources, simulator: Simulator, status: int, kind: type[Exception]
) -> None:
    series = register(store, sources, Interval.D1)
    control(simulator, "faults", kind="status", status=status, count=9, path="/api/v3/klines")

    with pytest.raises(kind):
        make_backfill(store, sources).run(series, START_MS, None)

    assert stored_klines(store, series) == []


def test_an_unknown_symbol_is_named_and_not_written(store: Store, sources: Sources) -> None:
    with pytest.raises(NotFound, match="NOSUCHCOIN"):
        register(store, sources, Interval.H1, "NOSUCHCOIN")

    with store.read() as connection:
        assert "NOSUCHCOIN" not in connection.execute(select(t.symbols.c.symbol)).scalars()


def test_only_the_newest_klines_are_announced(
    store: Store, sources: Sources, hours: list[Kline]
) -> None:
    series = register(store, sources, Interval.H1)

    make_backfill(store, sources, index_klines=30).run(series, START_MS, None)

    with store.read() as connection:
        keys = set(connection.execute(select(t.outbox.c.key)).scalars())
    assert keys == {f"BTCUSDT|1h|{k.open_time_ms}" for k in hours[CLOSED - 30 : CLOSED]}


def test_backfill_into_mysql_is_exact(mysql_url: str, sources: Sources, hours: list[Kline]) -> None:
    with opened_store(mysql_url) as store:
        series = register(store, sources, Interval.H1)
        make_backfill(store, sources).run(series, START_MS - DAY_MS, None)
        again = make_backfill(store, sources).run(series, START_MS - DAY_MS, None)

        assert stored_klines(store, series) == hours[:CLOSED]
        unlisted = Gap(START_MS - DAY_MS, START_MS, Cause.NOT_LISTED)
        assert ledger_of(store, series) == ([unlisted], hours[CLOSED - 1].open_time_ms)
        assert again.batches == Counter()
