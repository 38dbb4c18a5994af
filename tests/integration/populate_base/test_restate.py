"""Restating files that the archive replaced: as a whole, whatever comes between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from market.interval import DAY_MS, Interval
from market.store import Store
from market.times import parse_time_ms
from populate_base.audit import Kind
from populate_base.repair import Repairer
from populate_base.sample import Scope
from support.archive import write_archive_file, write_archive_months
from support.file_server import serving_files
from support.klines import START_MS, make_klines
from support.populator import make_backfill, opened_sources, opened_store, register, stored_klines
from support.processes import running, wait_until
from support.simulator import Simulator, find_program, run_simulator
from support.stores import count

#: A month of minutes, which comes in a dozen parts, and an hour.
MINUTES = make_klines(Interval.M1, 31 * 24 * 60 + 60)
OTHERS = [kline._replace(volume="7.00000000") for kline in MINUTES]
CLOCK = ["--now", str(parse_time_ms("time", "2024-02-01T00:30:00Z")), "--speed", "0"]
MONTH = 31 * 24 * 60
END_MS = START_MS + 31 * DAY_MS


@pytest.fixture
def simulator(store: Store, tmp_path: Path) -> Iterator[Simulator]:
    """An exchange whose month is stored."""
    write_archive_months(tmp_path / "archive", "BTCUSDT", "1m", MINUTES)
    with run_simulator(tmp_path / "archive", tmp_path / "log", CLOCK) as simulator:
        with opened_sources(simulator.url, simulator.url, store) as sources:
            series = register(store, sources, Interval.M1)
            make_backfill(store, sources).run(series, START_MS, END_MS)
        yield simulator


def test_a_damaged_file_restates_nothing(
    store: Store, simulator: Simulator, tmp_path: Path
) -> None:
    broken = [*OTHERS[: MONTH - 1], OTHERS[MONTH - 1]._replace(low="99999999.00000000")]
    folder = tmp_path / "files/data/spot/monthly/klines/BTCUSDT/1m"
    write_archive_file(folder, "BTCUSDT-1m-2024-01", broken)
    with (
        serving_files(tmp_path / "files") as url,
        opened_sources(simulator.url, url, store) as sources,
    ):
        series = register(store, sources, Interval.M1)
        for _ in range(2):
            done = Repairer(store, sources, Scope()).restate(series)

            assert [one.kind for one in done.left] == [Kind.FILE_UNREADABLE]
            assert (done.replaced, done.files_restated) == (0, [])
    assert stored_klines(store, series) == MINUTES[:MONTH]


def test_a_restatement_that_is_killed_is_finished_by_the_next(
    store: Store, sqlite_url: str, simulator: Simulator, tmp_path: Path
) -> None:
    write_archive_months(tmp_path / "new", "BTCUSDT", "1m", OTHERS)
    with (
        run_simulator(tmp_path / "new", tmp_path / "log-new", CLOCK) as later,
        opened_store(sqlite_url) as own,
    ):
        command = [find_program("populate-base"), "repair", "--sample", "0.01"]
        environment = {**later.environment, "KLINECAST_STORE_URL": sqlite_url}
        with running(command, tmp_path / "repair.log", environment=environment) as process:
            wait_until(
                lambda: count(own, "kline_revisions") > 0 or process.poll() is not None,
                "the first revision",
            )
            process.kill()
            process.wait(timeout=30)
        halfway = count(own, "kline_revisions")

        with opened_sources(later.url, later.url, store) as sources:
            series = register(store, sources, Interval.M1)
            Repairer(store, sources, Scope()).restate(series)
            again = Repairer(store, sources, Scope()).restate(series)

    assert 0 < halfway < MONTH
    assert stored_klines(store, series) == OTHERS[:MONTH]
    assert (again.replaced, again.audit.files_unchanged, again.audit.findings) == (0, 1, [])
