"""How soon 2,000 listeners know of one new kline, from its commit to the last one's socket.

The API is a process of its own; all listeners are sockets of this one, on the same cores.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path

import httpx
import pytest

from market.interval import Interval
from market.store.closed_klines import Arrival, write_closed
from market.store.symbols import write_watermark
from support.history_api import add_series, new_store
from support.history_process import serving
from support.klines import make_klines

pytestmark = pytest.mark.benchmark

LISTENERS = 2_000
KLINES = 12
_SOCKET = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Ear(asyncio.Protocol):
    """Notes when each event of klines came."""

    def __init__(self, request: bytes, heard: list[float]) -> None:
        self._request = request
        self._heard = heard
        self.is_open = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now_s = time.monotonic()
        if not self.is_open.done() and b"now_ms" in data:
            self.is_open.set_result(None)
        if b'"klines":' in data:
            self._heard.append(now_s)


async def listen(port: int, transport: str, write_next: list[object]) -> list[list[float]]:
    """Connect all listeners; return how long after each write each of them heard of it."""
    loop = asyncio.get_running_loop()
    heard: list[float] = []
    head = f"GET /v1/stream?symbol=BTCUSDT HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    request = f"{head}{_SOCKET if transport == 'websocket' else ''}\r\n".encode()
    ears: list[Ear] = []
    for _ in range(LISTENERS // 100):
        some = [
            (await loop.create_connection(lambda: Ear(request, heard), "127.0.0.1", port))[1]
            for _ in range(100)
        ]
        await asyncio.gather(*(ear.is_open for ear in some))
        ears += some
    delays: list[list[float]] = []
    for write in write_next:
        heard.clear()
        assert callable(write)
        committed_s = await loop.run_in_executor(None, write)
        deadline_s = time.monotonic() + 30
        while len(heard) < LISTENERS and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)
        assert len(heard) == LISTENERS
        delays.append([moment - committed_s for moment in heard])
    for ear in ears:
        ear.transport.abort()
    return delays


@pytest.mark.parametrize("transport", ["server-sent events", "websocket"])
@pytest.mark.parametrize("engine", ["sqlite", "mysql"])
def test_all_listeners_are_told(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str, transport: str
) -> None:
    url = request.getfixturevalue(f"{engine}_url")
    store = new_store(url)
    klines = make_klines(Interval.M1, 10 + KLINES)
    series = add_series(store, "BTCUSDT", Interval.M1, klines[:10])
    with store.begin() as connection:
        write_watermark(connection, series, klines[9].open_time_ms)

    def writer(number: int) -> object:
        def write() -> float:
            kline = klines[number]
            arrival = Arrival(series, [kline], "wss://test", kline.close_time_ms + 1)
            assert write_closed(store, [arrival], announce_newest=0)
            return time.monotonic()

        return write

    with serving(tmp_path / "log", KLINECAST_STORE_URL=url) as (api, _):
        port = httpx.URL(api).port
        assert port is not None
        delays = asyncio.run(listen(port, transport, [writer(10 + n) for n in range(KLINES)]))

    lasts = [max(one) for one in delays]
    everyone = statistics.quantiles([moment for one in delays for moment in one], n=100)
    sys.stdout.write(
        f"\n{transport}, {engine}: {LISTENERS} listeners x {KLINES} klines;"
        f" p50 {everyone[49]:.3f} s, p99 {everyone[98]:.3f} s; the last listener after"
        f" {statistics.median(lasts):.3f} s (median), {max(lasts):.3f} s (worst)\n"
    )
