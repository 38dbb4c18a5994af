"""How fast klines go into the store: INSERT, LOAD DATA with staging, LOAD DATA alone.

Run with `pytest -m benchmark -s tests/benchmarks/store`; all ways are measured in one run, in
turn, each in a process of its own so that its peak memory is its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from market.interval import Interval
from market.store import open_store
from market.store.schema import migrate
from support.databases import fresh_database
from support.stores import add_series

#: A month of 1m klines: the batch a backfill writes.
ROWS = 43_200
ROUNDS = 3
WAYS = {
    "sqlite": ("bulk",),
    "mysql": ("insert", "bulk"),
    "mariadb": ("insert", "bulk"),
}

_PROGRAM = """
import json, resource, sys, time
from market.interval import Interval
from market.store import bulk, open_store
from market.store.klines import Batch, Source, write_klines
from market.store.symbols import find_series
from support.klines import make_klines

url, way, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
if way == "insert":
    bulk._FEW = rows  # fewer rows than this go in by INSERT
store = open_store(url)
with store.read() as connection:
    series = find_series(connection, "BTCUSDT", Interval.M1)
klines = make_klines(Interval.M1, rows)
batch = Batch(Source.IMPORT, way, 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started, cpu = time.perf_counter(), time.process_time()
written = write_klines(store, series, klines, batch)
seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
assert written.inserted == rows
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "cpu": cpu, "grown": peak - before}))
"""


@contextmanager
def _database(request: pytest.FixtureRequest, engine: str, folder: Path) -> Iterator[str]:
    if engine == "sqlite":
        yield f"sqlite:///{folder / 'store.db'}"
        return
    with fresh_database(request.getfixturevalue(f"{engine}_server")) as url:
        yield url


@pytest.mark.benchmark
@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", WAYS)
def test_bulk_writes(
    request: pytest.FixtureRequest, engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS[engine]}
    with _database(request, engine, tmp_path) as url:
        store = open_store(url)
        migrate(store)
        add_series(store, "BTCUSDT", Interval.M1)
        for _ in range(ROUNDS):
            for way, results in found.items():
                results.append(_measure(url, way))
                with store.begin() as connection:
                    connection.exec_driver_sql("DELETE FROM klines")
        store.close()

    with capsys.disabled():
        for way, results in found.items():
            rates = [ROWS / result["seconds"] for result in results]
            cpu = statistics.median(result["cpu"] for result in results)
            grown = max(result["grown"] for result in results) / 1024
            each = ", ".join(f"{rate:,.0f}" for rate in rates)
            print(  # noqa: T201  the result of a benchmark
                f"\n{engine} {way}: median {statistics.median(rates):,.0f} rows/s ({each};"
                f" {ROWS:,} rows, n={ROUNDS}), {cpu:.2f} s of this process's CPU,"
                f" memory grew by {grown:.0f} MiB at most"
            )


def _measure(url: str, way: str) -> dict[str, float]:
    tests = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, url, way, str(ROWS)],
        env={**os.environ, "PYTHONPATH": tests},
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result
