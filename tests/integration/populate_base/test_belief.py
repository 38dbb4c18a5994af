"""Which source is believed, and what has to be heard before a gap counts as explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from market.errors import DataError
from market.gaps import Cause, Gap
from market.interval import HOUR_MS, Interval
from market.store import Store
from market.store.klines import Batch, Source, write_klines
from populate_base.lifecycle import take_snapshot
from populate_base.repair import Repairer
from populate_base.sample import Scope
from support.archive import write_archive_months
from support.file_server import serving_files
from support.klines import START_MS
from support.populator import (
    HOURS,
    ledger_of,
    make_backfill,
    opened_sources,
    register,
    stored_klines,
)
from support.ports import free_port
from support.simulator import run_simulator

JANUARY = HOURS[: 31 * 24]
FEBRUARY_MS = START_MS + 31 * 24 * HOUR_MS
CLOCK = ["--now", "2024-02-15T12:30:00Z", "--speed", "0"]
REST = Batch(Source.REST, "https://exchange.test/api/v3/klines", 1)


def test_a_file_leaves_what_rest_brought(store: Store, tmp_path: Path) -> None:
    others = [kline._replace(volume="7.00000000") for kline in HOURS]
    write_archive_months(tmp_path / "archive", "BTCUSDT", "1h", others)
    with (
        run_simulator(tmp_path / "archive", tmp_path / "log", CLOCK) as simulator,
        opened_sources(simulator.url, simulator.url, store) as sources,
    ):
        series = register(store, sources, Interval.H1)
        for part in (HOURS[:50], HOURS[60:62]):
            write_klines(store, series, part, REST)

        report = make_backfill(store, sources).run(series, START_MS, FEBRUARY_MS)

    assert (report.batches, report.changed) == ({"archive_monthly": 1}, 0)
    assert stored_klines(store, series) == [
        *HOURS[:50], *others[50:60], *HOURS[60:62], *others[62 : len(JANUARY)]
    ]  # fmt: skip
    assert ledger_of(store, series) == ([], JANUARY[-1].open_time_ms)


def test_the_archive_is_asked_before_a_gap_is_explained(store: Store, tmp_path: Path) -> None:
    archived = [*HOURS[:100], *HOURS[103:]]
    write_archive_months(tmp_path / "archive", "BTCUSDT", "1h", archived)
    write_archive_months(tmp_path / "rest", "BTCUSDT", "1h", [*HOURS[:100], *HOURS[105:]])
    with (
        run_simulator(tmp_path / "rest", tmp_path / "log", CLOCK) as simulator,
        serving_files(tmp_path / "archive") as files,
    ):
        folder = tmp_path / "archive/data/spot/monthly/klines/BTCUSDT/1h"
        folder.mkdir(parents=True)
        for file in (tmp_path / "archive").glob("BTCUSDT-*"):
            file.rename(folder / file.name)
        with opened_sources(simulator.url, files, store) as sources:
            series = register(store, sources, Interval.H1)
            write_klines(store, series, JANUARY[:100], REST)
            write_klines(store, series, JANUARY[105:], REST)

            report = make_backfill(store, sources).run(series, START_MS, FEBRUARY_MS)

    assert (report.batches, report.inserted) == ({"archive_monthly": 1}, 2)
    gap = Gap(HOURS[100].open_time_ms, HOURS[103].open_time_ms, Cause.SOURCE_MISSING)
    assert ledger_of(store, series)[0] == [gap]


def test_a_gap_stays_repairable_while_the_archive_is_away(store: Store, tmp_path: Path) -> None:
    write_archive_months(tmp_path / "archive", "BTCUSDT", "1h", [*HOURS[:100], *HOURS[105:]])
    gap = Gap(HOURS[100].open_time_ms, HOURS[105].open_time_ms, Cause.REPAIRABLE)
    with run_simulator(tmp_path / "archive", tmp_path / "log", CLOCK) as simulator:
        nowhere = f"http://127.0.0.1:{free_port()}"
        with opened_sources(simulator.url, nowhere, store) as sources:
            series = register(store, sources, Interval.H1)
            report = make_backfill(store, sources).run(series, START_MS, FEBRUARY_MS)
            assert report.missing == [(gap.start_ms, gap.end_ms)]
            Repairer(store, sources, Scope()).repair(series)
            assert ledger_of(store, series)[0] == [gap]

        with opened_sources(simulator.url, simulator.url, store) as sources:
            make_backfill(store, sources).run(series, START_MS, FEBRUARY_MS)

    assert ledger_of(store, series)[0] == [gap._replace(cause=Cause.SOURCE_MISSING)]


def test_an_exchange_that_lists_nothing_ends_no_symbol(store: Store, tmp_path: Path) -> None:
    answer = tmp_path / "api/v3/exchangeInfo"
    answer.parent.mkdir(parents=True)
    answer.write_text('{"rateLimits": [], "symbols": []}')
    with (
        serving_files(tmp_path) as url,
        opened_sources(url, url, store) as sources,
        pytest.raises(DataError, match="exchangeInfo lists no symbol"),
    ):
        take_snapshot(store, sources.exchange, START_MS)
