"""How fast segments give their klines, beside pyarrow's way from Parquet, in the same run.

Run with `pytest -m benchmark -s tests/benchmarks/api_historic/test_segments.py`. Everything is
sent through a socket that another thread empties. Also: how fast a month is built, and the
peak memory of building one of 300,000 klines.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api_historic.lake.parquet_month import write_month
from api_historic.segments import Segments
from api_historic.segments.month_rows import month_pages
from market.interval import DAY_MS, Interval
from market.store.kline_months import months_of, read_closed_months
from support.history_api import add_series, new_store
from support.klines import START_MS, make_klines
from support.segments import PLENTY, build
from support.simulator import find_program

pytestmark = pytest.mark.benchmark

MINUTES = (31 + 29 + 3) * 1440
SECONDS = 300_000
ROUNDS = 20


@contextmanager
def emptied_socket() -> Iterator[socket.socket]:
    """Yield a socket whose other end throws away what arrives."""
    writer, reader = socket.socketpair()

    def drain() -> None:
        room = bytearray(1 << 20)
        while reader.recv_into(room):
            pass

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        yield writer
    finally:
        writer.shutdown(socket.SHUT_WR)
        thread.join()
        writer.close()
        reader.close()


def rate(klines: int, work: Callable[[], object]) -> float:
    """Return klines a second, the median of `ROUNDS`."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        before = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - before)
    return klines / sorted(seconds)[ROUNDS // 2]


def test_speed_of_segments(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = new_store(sqlite_url)
    klines = make_klines(Interval.M1, MINUTES)
    series = add_series(store, "BTCUSDT", Interval.M1, klines)
    months = months_of(kline.open_time_ms for kline in klines)[:2]
    before = time.perf_counter()
    build(store, tmp_path, series, *months)
    built_s = time.perf_counter() - before
    files = []
    segments = Segments(tmp_path, PLENTY)
    with store.read() as connection:
        found = segments.find(connection, series, None, None)
        for month in read_closed_months(connection, series, None, None):
            files.append(tmp_path / f"{month.month.start_ms}.parquet")
            with month_pages(connection, series, month.month) as pages:
                write_month(files[-1], series, month, pages)
    count = sum(segment.count for segment in found)
    assert count == (31 + 29) * 1440

    with emptied_socket() as sink, sink.makefile("wb") as file:

        def send_json() -> None:
            for segment in found:
                sink.sendall(segment.json_rows(*segment.month))

        def send_pages() -> None:
            for segment in found:
                for number in range(0, 40_000, 1_000):
                    start_ms = segment.month.start_ms + number * 60_000
                    sink.sendall(segment.json_rows(start_ms, start_ms + 60_000_000))

        def send_arrow() -> None:
            _send(file, (segment.table(*segment.month) for segment in found))

        def find() -> None:
            with store.read() as connection:
                segments.find(connection, series, None, None)

        def send_parquet() -> None:
            _send(file, (pq.read_table(path, partitioning=None) for path in files))

        rates = {
            "JSON, whole months": rate(count, send_json),
            "JSON, pages of 1,000": rate(len(found) * 40_000, send_pages),
            "Arrow, whole months": rate(count, send_arrow),
            "baseline: Parquet -> IPC": rate(count, send_parquet),
            "finding 2 months": rate(1, find),
        }
    lines = [f"{name}: {number:,.0f}/s (n={ROUNDS})" for name, number in rates.items()]
    lines.append(f"building from SQLite: {count / built_s:,.0f}/s (n=1)")
    lines.append(f"load {os.getloadavg()[0]:.1f}")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    store.close()


def _send(file: object, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pa.ipc.new_stream(file, first.schema) as stream:
        stream.write_table(first)
        for table in tables:
            stream.write_table(table.cast(first.schema))


def test_memory_of_building(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = new_store(sqlite_url)
    seconds = make_klines(Interval.S1, SECONDS)
    seconds += make_klines(Interval.S1, 1, start_ms=START_MS + 40 * DAY_MS)
    add_series(store, "BTCUSDT", Interval.S1, seconds)
    store.close()
    peaks = {}
    for words in (("segments", "list"), ("segments", "build")):
        code = (
            "import resource, subprocess, sys;"
            "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        environment = {
            **os.environ,
            "KLINECAST_STORE_URL": sqlite_url,
            "HISTORY_SEGMENTS_DIR": str(tmp_path / "segments"),
        }
        command = [sys.executable, "-c", code, find_program("klinecast-history"), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        peaks[" ".join(words)] = int(done.stdout) / 1024
    (file,) = (tmp_path / "segments").glob("*.segment")
    with capsys.disabled():
        sys.stdout.write(
            f"\na month of {SECONDS:,} klines, {file.stat().st_size / 2**20:.0f} MiB: peak RSS"
            f" {peaks['segments build']:.0f} MiB, of a process that builds none"
            f" {peaks['segments list']:.0f} MiB (n=1)\n"
        )
