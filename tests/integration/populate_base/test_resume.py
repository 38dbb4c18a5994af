"""Killed at any moment and started again: the same store as if nothing had happened."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import func, select

from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store import tables as t
from market.times import parse_time_ms
from support.archive import write_archive_months
from support.klines import START_MS, make_klines
from support.populator import (
    ledger_of,
    opened_store,
    run_populator,
    stored_klines,
    stored_series,
)
from support.simulator import Simulator, find_program

MINUTES = make_klines(Interval.M5, 120 * 288)
COMMAND = ["backfill", "--symbol", "BTCUSDT", "--interval", "5m", "--start", "2023-12-20"]


@pytest.fixture
def simulator_data(tmp_path: Path) -> Path:
    """Four months of 5m klines, each month a file."""
    write_archive_months(tmp_path / "archive", "BTCUSDT", "5m", MINUTES)
    return tmp_path / "archive"


@pytest.fixture
def simulator_options() -> tuple[str, ...]:
    """Inside the last month, so that its days come by REST."""
    return ("--now", "2024-04-20T00:00:00Z", "--speed", "0")


def kill_some(simulator: Simulator, store_url: str, times: int) -> None:
    """Start backfills and kill each after a random while."""
    dice = random.Random(20240418)
    for _ in range(times):
        process = subprocess.Popen(
            [find_program("populate-base"), *COMMAND],
            env={**os.environ, "KLINECAST_STORE_URL": store_url, **simulator.environment},
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(dice.uniform(1.8, 4.5))
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()


def check_whole(store: Store) -> None:
    series = stored_series(store, Interval.M5)
    end_ms = parse_time_ms("time", "2024-04-20")
    expected: list[Kline] = [kline for kline in MINUTES if kline.open_time_ms < end_ms]
    assert stored_klines(store, series) == expected
    gaps, watermark_ms = ledger_of(store, series)
    unlisted = (parse_time_ms("time", "2023-12-20"), START_MS)
    assert [(gap.start_ms, gap.end_ms) for gap in gaps] == [unlisted]
    assert watermark_ms == expected[-1].open_time_ms
    with store.read() as connection:
        for table in (t.kline_staging, t.kline_revisions):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_killed_backfills_end_in_the_same_store(
    simulator: Simulator, store: Store, sqlite_url: str
) -> None:
    kill_some(simulator, sqlite_url, 4)

    done = run_populator(COMMAND, sqlite_url, simulator.environment)

    assert done.returncode == 0, done.stderr
    check_whole(store)


def test_killed_backfills_end_in_the_same_mysql(simulator: Simulator, mysql_url: str) -> None:
    with opened_store(mysql_url) as store:
        kill_some(simulator, mysql_url, 3)

        done = run_populator(COMMAND, mysql_url, simulator.environment)

        assert done.returncode == 0, done.stderr
        check_whole(store)


def test_two_populators_at_once_do_no_harm(simulator: Simulator, mysql_url: str) -> None:
    with opened_store(mysql_url) as store:
        command = [find_program("populate-base"), *COMMAND]
        environment = {**os.environ, "KLINECAST_STORE_URL": mysql_url, **simulator.environment}
        both = [
            subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]

        said = [process.communicate(timeout=100)[1] for process in both]
        assert [process.returncode for process in both] == [0, 0], "\n".join(
            text[-1500:] for text in said
        )
        check_whole(store)
