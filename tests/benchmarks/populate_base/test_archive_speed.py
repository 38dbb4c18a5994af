"""How fast archive files get into the store, beside what the database alone can do.

The files come from a `binance-simulator` process on loopback. Each way runs in a process of
its own, in turns with its baselines, on data made for it: each month repeats the same
random numbers, its times are its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from market.interval import Interval
from market.store import open_store
from market.store.schema import migrate
from market.times import format_time, parse_time_ms
from support.databases import fresh_database
from support.minute_archive import write_months
from support.populator import run_populator
from support.simulator import Simulator, run_simulator
from support.stores import add_series

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

START = "2024-01-01"
#: Half of the months are in microseconds.
MONTHS = 24
ROUNDS = 3
_WAYS = Path(__file__).with_name("ways.py")


class Result(NamedTuple):
    """What one way did: klines, seconds, and the peak memory of its process in MiB."""

    klines: int
    seconds: float
    peak_mib: float

    @property
    def rate(self) -> float:
        return self.klines / self.seconds


def measure(way: str, *arguments: str) -> Result:
    """Run one of the ways in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(_WAYS), way, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Result(*json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def emptied(url: str) -> Iterator[None]:
    """Leave MySQL as a new store is: without klines, and what is known of them."""
    yield
    store = open_store(url)
    with store.begin() as connection:
        for table in ("klines", "gaps", "watermarks", "ingest_batches", "outbox"):
            # Deleting leaves MySQL cleaning up while the next way is measured.
            connection.exec_driver_sql(f"TRUNCATE TABLE {table}")
    store.close()


@contextmanager
def serving(folder: Path, start: str, months: int) -> Iterator[Simulator]:
    """The exchange with so many monthly files, at the end of the last one."""
    start_ms = parse_time_ms("start", start)
    now_ms = Interval.MO1.add(start_ms, months)
    write_months(folder / "archive", start_ms, months + 1)  # its data have to go on
    now = ["--now", format_time(now_ms), "--speed", "0"]
    with run_simulator(folder / "archive", folder / "log", now) as simulator:
        yield simulator


def prepare(url: str) -> None:
    store = open_store(url)
    migrate(store)
    add_series(store, "BTCUSDT", Interval.M1)
    store.close()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The exchange with `MONTHS` monthly files."""
    with serving(tmp_path_factory.mktemp("benchmark"), START, MONTHS) as simulator:
        yield simulator


def report(capsys: pytest.CaptureFixture[str], found: dict[str, list[Result]]) -> None:
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    with capsys.disabled():
        first = statistics.median(result.rate for result in next(iter(found.values())))
        for way, results in found.items():
            rate = statistics.median(result.rate for result in results)
            each = ", ".join(f"{result.rate:,.0f}" for result in results)
            peak = max(result.peak_mib for result in results)
            print(  # noqa: T201  the result of a benchmark
                f"\n{way}: median {rate:,.0f} klines/s ({each}; {results[0].klines:,} klines,"
                f" n={len(results)}), {first / rate:.2f}x of it reached by the first,"
                f" peak RSS {peak:.0f} MiB, load average {load}"
            )


def test_archive_into_mysql(
    mysql_server: str, simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, list[Result]] = defaultdict(list)
    with fresh_database(mysql_server) as url:
        prepare(url)
        for _ in range(ROUNDS):
            for way, data in (
                ("backfill", simulator.url),
                ("load_data", str(simulator.data)),
                ("pandas_upsert", str(simulator.data)),
            ):
                with emptied(url):
                    found[f"mysql {way}"].append(measure(way, url, data))

    report(capsys, found)


def test_archive_into_sqlite(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, list[Result]] = defaultdict(list)
    for number in range(ROUNDS):
        for way, data in (("backfill", simulator.url), ("executemany", str(simulator.data))):
            path = tmp_path / f"{way}-{number}.db"
            prepare(f"sqlite:///{path}")
            found[f"sqlite {way}"].append(measure(way, f"sqlite:///{path}", data))
            path.unlink()

    report(capsys, found)


@pytest.mark.parametrize("years", [10, 19], ids=["5 million", "10 million"])
def test_memory_and_backfill_again(
    years: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = f"{2026 - years}-01-01"
    url = f"sqlite:///{tmp_path / 'store.db'}"
    prepare(url)
    with serving(tmp_path, start, years * 12) as simulator:
        result = measure("backfill", url, simulator.url, start)
        asked = ["--symbol", "BTCUSDT", "--interval", "1m", "--start", start, "--json"]
        # As installed: what Python compiled at the first start serves the second.
        compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path / "pyc")}
        for _ in range(2):
            started = time.perf_counter()
            done = run_populator(["backfill", *asked], url, {**simulator.environment, **compiled})
            seconds = time.perf_counter() - started

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 0
    report(capsys, {f"sqlite, {years} years of 1m": [result]})
    with capsys.disabled():
        print(f"\nbackfill again: {seconds:.2f} s with the start of Python")  # noqa: T201
