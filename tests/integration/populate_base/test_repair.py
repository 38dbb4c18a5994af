"""Verify and repair: the store against its ledger and against the exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from market.gaps import Cause, Gap
from market.interval import HOUR_MS, Interval
from market.kline import Kline
from market.selection import parse_selection
from market.store import Store
from market.store.gap_ledger import read_gap_history
from market.store.klines import read_klines
from market.store.revisions import read_klines_as_of
from market.store.symbols import Series, write_watermark
from market.times import parse_time_ms
from populate_base.audit import Finding, Kind
from populate_base.backfill import Sources
from populate_base.refine import refine_outages
from populate_base.repair import Repairer, SeriesRepair
from populate_base.sample import Scope
from populate_base.upkeep import CHECK_EVERY_MS, Upkeep
from populate_base.verify import SeriesAudit, Verifier
from support.archive import write_archive_months
from support.klines import START_MS, make_klines
from support.populator import (
    HOURS,
    ledger_of,
    make_backfill,
    opened_sources,
    opened_store,
    register,
    run_populator,
    stored_klines,
)
from support.processes import running, wait_until
from support.simulator import Simulator, find_program, run_simulator
from support.stores import count

WHOLE = Scope(fraction=1)
#: January of 2024; the simulators' clocks stand after February.
JANUARY = HOURS[: 31 * 24]
FEBRUARY_MS = START_MS + 31 * 24 * HOUR_MS
CLOCK_MS = parse_time_ms("time", "2024-02-29T12:00:00Z")
TABLES = ("klines", "kline_revisions", "gaps", "watermarks", "ingest_batches", "outbox")


@contextmanager
def exchange(folder: Path, store: Store, **symbols: Sequence[Kline]) -> Iterator[Sources]:
    """An exchange that has these hours of these symbols, and no others."""
    for symbol, klines in symbols.items():
        write_archive_months(folder / "archive", symbol, "1h", klines)
    options = ["--now", str(CLOCK_MS), "--speed", "0"]
    with (
        run_simulator(folder / "archive", folder / "log", options) as simulator,
        opened_sources(simulator.url, simulator.url, store) as sources,
    ):
        yield sources


def a_folder(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


def load(store: Store, sources: Sources, symbol: str = "BTCUSDT") -> Series:
    series = register(store, sources, Interval.H1, symbol)
    make_backfill(store, sources).run(series, START_MS, FEBRUARY_MS)
    return series


def verify(store: Store, sources: Sources, series: Series, scope: Scope = WHOLE) -> SeriesAudit:
    return Verifier(store, sources, scope).verify(series)


def repair(store: Store, sources: Sources, series: Series, **options: bool) -> SeriesRepair:
    return Repairer(store, sources, WHOLE, **options).repair(series)


def spoil(store: Store, statement: str, **values: object) -> None:
    with store.begin() as connection:
        connection.execute(text(statement), values)


def contents(store: Store) -> dict[str, int]:
    return {table: count(store, table) for table in TABLES}


@pytest.fixture(params=["sqlite", "mysql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with opened_store(request.getfixturevalue(f"{request.param}_url")) as store:
        yield store


@pytest.fixture
def sources(store: Store, tmp_path: Path) -> Iterator[Sources]:
    with exchange(a_folder(tmp_path, "first"), store, BTCUSDT=HOURS) as sources:
        yield sources


def test_a_true_store_agrees_and_needs_no_repair(store: Store, sources: Sources) -> None:
    series = load(store, sources)
    before = contents(store)

    audit = verify(store, sources, series)

    assert (audit.findings, audit.overruled) == ([], [])
    assert audit.rows == len(JANUARY)
    assert audit.rows_compared >= len(JANUARY)
    assert contents(store) == before
    done = repair(store, sources, series)
    assert (done.inserted, done.replaced, done.left, done.causes) == (0, 0, [], [])
    assert stored_klines(store, series) == JANUARY


def test_every_fault_is_named_with_both_values_and_mended(store: Store, sources: Sources) -> None:
    series = load(store, sources)
    changed, gone = JANUARY[100], JANUARY[200]
    wrong = "1.00000000"
    spoil(
        store,
        "UPDATE klines SET low = :wrong, close = :wrong WHERE open_time_ms = :at",
        wrong=wrong,
        at=changed.open_time_ms,
    )
    spoil(store, "DELETE FROM klines WHERE open_time_ms = :at", at=gone.open_time_ms)
    with store.begin() as connection:
        write_watermark(connection, series, JANUARY[-3].open_time_ms)

    audit = verify(store, sources, series)

    named = {(one.kind, one.field, one.stored, one.found) for one in audit.findings}
    assert (Kind.DIFFERENT_VALUE, "close", wrong, changed.close) in named
    kinds = {one.kind for one in audit.findings}
    assert kinds == {
        Kind.DIFFERENT_VALUE,
        Kind.UNRECORDED_GAP,
        Kind.NOT_STORED,
        Kind.WRONG_WATERMARK,
    }

    before = contents(store)
    dry = repair(store, sources, series, is_dry=True)
    assert (dry.inserted, dry.replaced > 0) == (0, True) or dry.inserted > 0
    assert contents(store) == before

    done = repair(store, sources, series)
    assert (done.inserted, done.replaced, done.left) == (1, 1, [])
    assert stored_klines(store, series) == JANUARY
    assert ledger_of(store, series) == ([], JANUARY[-1].open_time_ms)
    assert verify(store, sources, series).findings == []
    assert count(store, "kline_revisions") == 1


def test_a_gap_that_covers_klines_is_resolved(store: Store, sources: Sources) -> None:
    series = load(store, sources)
    spoil(
        store,
        "INSERT INTO gaps (symbol_id, interval_id, start_ms, end_ms, cause, first_seen_ms)"
        " VALUES (:symbol, :interval, :start, :end, 'source_missing', 5)",
        symbol=series.symbol_id,
        interval=series.interval.number,
        start=JANUARY[10].open_time_ms,
        end=JANUARY[12].open_time_ms,
    )

    audit = verify(store, sources, series)

    assert [(one.kind, one.start_ms, one.end_ms) for one in audit.findings] == [
        (Kind.GAP_OVER_KLINES, JANUARY[10].open_time_ms, JANUARY[12].open_time_ms)
    ]
    repair(store, sources, series)
    assert ledger_of(store, series)[0] == []


def test_what_no_source_had_is_asked_for_again(store: Store, tmp_path: Path) -> None:
    holed = HOURS[:100] + HOURS[110:]
    gap = Gap(HOURS[100].open_time_ms, HOURS[110].open_time_ms, Cause.SOURCE_MISSING)
    with exchange(a_folder(tmp_path, "holed"), store, BTCUSDT=holed) as sources:
        series = load(store, sources)
        assert ledger_of(store, series)[0] == [gap]
        assert verify(store, sources, series).findings == []
        assert repair(store, sources, series).asked == [(gap.start_ms, gap.end_ms)]
        assert ledger_of(store, series)[0] == [gap]

    with exchange(a_folder(tmp_path, "whole"), store, BTCUSDT=HOURS) as sources:
        done = repair(store, sources, series)
        again = repair(store, sources, series)

    assert (done.inserted, done.resolved) == (10, [(gap.start_ms, gap.end_ms)])
    assert stored_klines(store, series) == JANUARY
    with store.read() as connection:
        (entry,) = read_gap_history(connection, series)
    assert entry.gap == gap
    assert entry.resolved_ms is not None
    assert (again.inserted, again.replaced, again.files_restated) == (0, 0, [])


def test_a_replaced_file_is_restated_and_the_old_values_stay(store: Store, tmp_path: Path) -> None:
    with exchange(a_folder(tmp_path, "old"), store, BTCUSDT=HOURS) as sources:
        series = load(store, sources)
        spoil(store, "UPDATE ingest_batches SET fetched_at_ms = fetched_at_ms - 3600000")
    restated = list(HOURS)
    restated[5] = restated[5]._replace(volume="7.00000000")

    with exchange(a_folder(tmp_path, "new"), store, BTCUSDT=restated) as sources:
        audit = verify(store, sources, series)
        done = repair(store, sources, series)
        after = verify(store, sources, series)
        again = repair(store, sources, series)

    kinds = {one.kind for one in audit.findings}
    assert kinds == {Kind.FILE_REPLACED, Kind.DIFFERENT_VALUE}
    assert len(done.files_restated) == 1
    assert done.files_restated[0].endswith("BTCUSDT-1h-2024-01.zip")
    assert (done.inserted, done.replaced) == (0, 1)
    assert stored_klines(store, series) == restated[: len(JANUARY)]
    with store.read() as connection:
        known = read_klines_as_of(connection, series, None, None, 1000, CLOCK_MS - 60_000)
        now = read_klines(connection, series, None, None, 1000)
    assert known == JANUARY
    assert now == restated[: len(JANUARY)]
    assert (after.findings, again.replaced, again.files_restated) == ([], 0, [])


def test_a_file_zipped_anew_with_the_same_rows_changes_no_kline(
    store: Store, sources: Sources
) -> None:
    series = load(store, sources)
    spoil(store, "UPDATE ingest_batches SET sha256 = :old, etag = NULL", old="0" * 64)

    assert [one.kind for one in verify(store, sources, series).findings] == [Kind.FILE_REPLACED]
    done = repair(store, sources, series)

    assert (len(done.files_restated), done.inserted, done.replaced) == (1, 0, 0)
    assert verify(store, sources, series).findings == []


def test_the_sample_is_the_same_for_the_same_seed(store: Store, sources: Sources) -> None:
    series = load(store, sources)

    one = verify(store, sources, series, Scope(fraction=0.1, seed=7))
    same = verify(store, sources, series, Scope(fraction=0.1, seed=7))
    other = verify(store, sources, series, Scope(fraction=0.1, seed=8))

    assert len(one.compared) == 3
    assert one.compared == same.compared
    assert one.compared != other.compared
    assert one.rows == len(JANUARY)
    assert one.rows_compared < 10 * 24


def test_only_the_selected_range_is_looked_at(store: Store, sources: Sources) -> None:
    series = load(store, sources)
    spoil(store, "DELETE FROM klines WHERE open_time_ms = :at", at=JANUARY[200].open_time_ms)
    scope = Scope(
        parse_time_ms("time", "2024-01-20"), parse_time_ms("time", "2024-01-22"), fraction=1
    )

    audit = verify(store, sources, series, scope)

    assert audit.findings == []
    assert audit.rows == 48


def test_several_symbols_make_an_outage_whatever_order_they_came_in(
    store: Store, tmp_path: Path
) -> None:
    hole = slice(300, 306)
    eth = make_klines(Interval.H1, len(HOURS), seed=2)
    sol = make_klines(Interval.H1, len(HOURS), seed=3)
    holed = {
        name: [*rows[:300], *rows[306:]] for name, rows in (("BTCUSDT", HOURS), ("ETHUSDT", eth))
    }
    start_ms, end_ms = HOURS[hole][0].open_time_ms, HOURS[306].open_time_ms
    with exchange(a_folder(tmp_path, "x"), store, **holed, SOLUSDT=sol) as sources:
        btc = load(store, sources, "BTCUSDT")
        assert refine_outages(store, 9) == []
        assert ledger_of(store, btc)[0] == [Gap(start_ms, end_ms, Cause.SOURCE_MISSING)]
        first_seen = first_seen_ms(store, btc)

        load(store, sources, "ETHUSDT")
        changes = refine_outages(store, 9)

        assert [(one.series.symbol, one.was) for one in changes] == [
            ("BTCUSDT", Cause.SOURCE_MISSING),
            ("ETHUSDT", Cause.SOURCE_MISSING),
        ]
        assert ledger_of(store, btc)[0] == [Gap(start_ms, end_ms, Cause.OUTAGE)]
        assert first_seen_ms(store, btc) == first_seen
        load(store, sources, "SOLUSDT")
        assert refine_outages(store, 9) == []


def first_seen_ms(store: Store, series: Series) -> list[int]:
    with store.read() as connection:
        return [entry.first_seen_ms for entry in read_gap_history(connection, series)]


def test_a_broken_rule_is_named_and_replaced_outside_the_sample(
    store: Store, sources: Sources
) -> None:
    series = load(store, sources)
    spoil(
        store,
        "UPDATE klines SET high = '0.50000000' WHERE open_time_ms = :at",
        at=JANUARY[3].open_time_ms,
    )
    scope = Scope(fraction=0.01, seed=1)

    findings: list[Finding] = verify(store, sources, series, scope).findings
    done = Repairer(store, sources, scope).repair(series)

    assert Kind.BROKEN_RULE in {one.kind for one in findings}
    assert done.replaced == 1
    assert verify(store, sources, series).findings == []


def test_upkeep_checks_files_and_follows_the_rule_once_a_day(store: Store, tmp_path: Path) -> None:
    wanted, eth = parse_selection("quote:USDT"), make_klines(Interval.H1, len(HOURS), seed=2)
    with exchange(a_folder(tmp_path, "one"), store, BTCUSDT=HOURS) as sources:
        load(store, sources)
        upkeep = Upkeep(store, sources, wanted, [Interval.H1])
        first, again = upkeep.run_due(CLOCK_MS), upkeep.run_due(CLOCK_MS + HOUR_MS)
    restated = list(HOURS)
    restated[5] = restated[5]._replace(volume="7.00000000")

    with exchange(a_folder(tmp_path, "two"), store, BTCUSDT=restated, ETHUSDT=eth) as sources:
        upkeep = Upkeep(store, sources, wanted, [Interval.H1])
        upkeep.run_due(CLOCK_MS)
        too_soon = count(store, "kline_revisions")
        later = upkeep.run_due(CLOCK_MS + CHECK_EVERY_MS + HOUR_MS)

    assert [one.symbol for one in first or ()] == ["BTCUSDT"]
    assert again is None
    assert [one.symbol for one in later or ()] == ["BTCUSDT", "ETHUSDT"]
    assert (too_soon, count(store, "kline_revisions")) == (0, 1)


def test_a_repair_that_is_killed_is_finished_by_the_next(
    simulator: Simulator, sqlite_url: str, tmp_path: Path
) -> None:
    arguments = ["repair", "--whole", "--json"]
    with (
        opened_store(sqlite_url) as store,
        opened_sources(simulator.url, simulator.url, store) as sources,
    ):
        series = register(store, sources, Interval.H1)
        make_backfill(store, sources).run(series, START_MS, None)
        true = stored_klines(store, series)
        spoil(store, "UPDATE klines SET volume = '1.00000000' WHERE number_of_trades % 3 = 0")
        spoil(store, "DELETE FROM klines WHERE number_of_trades % 7 = 0")
        environment = {**simulator.environment, "KLINECAST_STORE_URL": sqlite_url}
        command = [find_program("populate-base"), *arguments]
        log = tmp_path / "repair.log"
        with running(command, log, environment=environment) as process:
            wait_until(
                lambda: count(store, "kline_revisions") > 0 or process.poll() is not None,
                "the first revision",
            )
            process.kill()
            process.wait(timeout=30)

        done = run_populator(arguments, sqlite_url, simulator.environment)
        again = run_populator(arguments, sqlite_url, simulator.environment)

        assert (done.returncode, again.returncode) == (0, 0)
        (summary,) = json.loads(again.stdout)["series"]
        assert (summary["inserted"], summary["replaced"], summary["findings"]) == (0, 0, [])
        assert stored_klines(store, series) == true
