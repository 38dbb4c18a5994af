"""What benchmarks of the history API share: much data, the ordinary way, a client that only reads.

The baseline is FastAPI as most people write it: `SELECT *`, a dictionary a row, the framework's
own encoding. The raw driver read is the limit: the same rows as the driver's bytes, thrown away.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import uvicorn
from fastapi import FastAPI
from sqlalchemy import select, text

from market.interval import MINUTE_MS, Interval
from market.store import Store
from market.store import tables as t
from market.store.kline_months import iter_months, new_stamp, write_stamps
from market.store.symbols import Series
from support.history_api import add_series
from support.klines import make_klines

#: 2016-01-01
FIRST_MS = 1_451_606_400_000
_ORIGINAL = 250_000
COLUMNS = (
    "open_time_ms, open, high, low, close, volume, close_time_ms, quote_asset_volume,"
    " number_of_trades, taker_buy_base_asset_volume, taker_buy_quote_asset_volume"
)


def fill(store: Store, rows: int) -> Series:
    """Store minutes from 2016 on: made-up ones, and the database's own copies of them."""
    klines = make_klines(Interval.M1, _ORIGINAL, start_ms=FIRST_MS)
    series = add_series(store, "BTCUSDT", Interval.M1, klines)
    copy = text(
        "INSERT INTO klines SELECT symbol_id, interval_id, open_time_ms + :by, open, high, low,"
        " close, volume, close_time_ms + :by, quote_asset_volume, number_of_trades,"
        " taker_buy_base_asset_volume, taker_buy_quote_asset_volume, `ignore`, irregular, batch_id"
        " FROM klines WHERE symbol_id = :symbol AND open_time_ms < :end"
    )
    end_ms = FIRST_MS + _ORIGINAL * MINUTE_MS
    for number in range(1, rows // _ORIGINAL):
        by = number * _ORIGINAL * MINUTE_MS
        with store.begin() as connection:
            values = {"by": by, "symbol": series.symbol_id, "end": end_ms}
            connection.execute(copy, values)
    with store.begin() as connection:
        months = iter_months(FIRST_MS, FIRST_MS + rows * MINUTE_MS - 1)
        write_stamps(connection, [(series, month_ms) for month_ms in months], new_stamp(), 1)
    return series


def naive_app(store: Store) -> FastAPI:
    """The ordinary way."""
    app = FastAPI()

    @app.get("/klines")
    def klines(start: int, limit: int) -> list[dict[str, Any]]:
        k = t.klines.c
        query = select(t.klines).where(
            k.symbol_id == 1, k.interval_id == Interval.M1.number, k.open_time_ms >= start
        )
        with store.read() as connection:
            rows = connection.execute(query.order_by(k.open_time_ms).limit(limit)).mappings()
            return [dict(row) for row in rows]

    return app


@contextmanager
def naive_api(store: Store) -> Iterator[str]:
    """Serve the ordinary way from a thread; yield its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(naive_app(store), log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def read_raw(driver: Any, start_ms: int, rows: int) -> int:
    """Read klines as the driver's bytes, column by column, and throw them away.

    `driver`: an open connection, as `support.databases.connect` gives it.
    """
    driver.cmd_query(
        f"SELECT {COLUMNS} FROM klines WHERE symbol_id = 1 AND interval_id = 2"
        f" AND open_time_ms >= {start_ms} ORDER BY open_time_ms LIMIT {rows}",
        raw=True,
        buffered=False,
    )
    count = sum(1 for _ in iter(driver._cmysql.fetch_row, None))
    driver.free_result()
    return count


class Wire:
    """A kept connection that asks and reads, and looks at nothing but where an answer ends."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._socket = socket.create_connection((where.hostname or "", where.port or 80))
        self._buffer = bytearray(1 << 20)

    def get(self, path: str) -> int:
        """Return the bytes of the answer's body, chunk marks among them."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        size = self._socket.recv_into(self._buffer)
        head, _, body = bytes(self._buffer[:size]).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise AssertionError(head[:200])
        length = _length(head)
        read, tail = len(body), body[-5:]
        while read < length if length is not None else not tail.endswith(b"0\r\n\r\n"):
            size = self._socket.recv_into(self._buffer)
            read += size
            tail = (tail + bytes(self._buffer[max(0, size - 5) : size]))[-5:]
        return read

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _length(head: bytes) -> int | None:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return None


def timed(work: Callable[[], Any], rounds: int) -> list[float]:
    """Return the seconds of each of so many rounds, after one that is not counted."""
    work()
    seconds = []
    for _ in range(rounds):
        before = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - before)
    return seconds


def swarm(url: str, paths: Sequence[str], clients: int, requests: int) -> list[float]:
    """Return the seconds of every request of clients that ask one after the other, at once."""
    where = urlsplit(url)
    seconds: list[float] = []

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1 << 20)
        for turn in range(requests):
            path = paths[(number * 31 + turn * 7) % len(paths)]
            before = time.perf_counter()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise AssertionError(head[:200])
            await reader.readexactly(_length(head) or 0)
            seconds.append(time.perf_counter() - before)
        writer.close()

    async def all_of_them() -> None:
        await asyncio.gather(*(client(number) for number in range(clients)))

    asyncio.run(all_of_them())
    return seconds


class PeakMemory:
    """The most memory that a process and its children held while the block ran."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.bytes = 0

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self.bytes = max(self.bytes, self._process.memory_info().rss)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


class Line(NamedTuple):
    """A result: klines a second, beside the limit and the ordinary way."""

    name: str
    klines_s: float
    raw_s: float | None = None
    baseline_s: float | None = None
    note: str = ""

    def __str__(self) -> str:
        parts = [f"{self.name}: {self.klines_s:,.0f} klines/s"]
        if self.raw_s is not None:
            parts.append(f"{self.klines_s / self.raw_s:.2f} of the raw read's {self.raw_s:,.0f}")
        if self.baseline_s is not None:
            ratio = self.klines_s / self.baseline_s
            parts.append(f"{ratio:.1f}x the baseline's {self.baseline_s:,.0f}")
        return ", ".join([*parts, *([self.note] if self.note else [])])


def show(capsys: Any, *lines: object) -> None:
    """Print results, and how busy the machine was."""
    load = psutil.getloadavg()[0]
    with capsys.disabled():
        for line in lines:
            sys.stdout.write(f"\n{line} (load {load:.1f})")
        sys.stdout.write("\n")


def median(seconds: Sequence[float]) -> float:
    """Return the middle one."""
    return statistics.median(seconds)
