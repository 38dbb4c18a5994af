"""python-binance's own clients, unmodified, against the simulator."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest

from market.interval import DAY_MS, HOUR_MS, Interval
from support.klines import START_MS, make_klines
from support.simulator import Simulator

with warnings.catch_warnings():
    # It imports names that websockets will drop one day.
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance.async_client import AsyncClient
    from binance.client import Client
    from binance.exceptions import BinanceAPIException
    from binance.ws.streams import BinanceSocketManager

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
HOURS = make_klines(Interval.H1, 60 * 24)


@pytest.fixture
def simulator_options() -> tuple[str, ...]:
    return ("--now", "2024-02-20T00:30:00Z", "--speed", "36000")


def client_of(simulator: Simulator) -> Client:
    class Here(Client):  # type: ignore[misc]  # the library has no types
        API_URL = simulator.url + "/api"

    return Here()


def test_client_reads_history_symbols_and_time(simulator: Simulator) -> None:
    client = client_of(simulator)
    try:
        rows = client.get_historical_klines(
            "BTCUSDT", Client.KLINE_INTERVAL_1HOUR, START_MS, START_MS + 45 * DAY_MS
        )
        info = client.get_symbol_info("BTCUSDT")
        server_ms = client.get_server_time()["serverTime"]
        with pytest.raises(BinanceAPIException) as refused:
            client.get_klines(symbol="NOSUCH", interval="1h")
    finally:
        client.close_connection()
        # It opened a loop of its own and leaves it so.
        client.loop.close()

    assert rows == [list(kline) for kline in HOURS[: 45 * 24 + 1]]
    assert info["baseAsset"] == "BTC"
    assert server_ms > START_MS + 50 * DAY_MS
    assert (refused.value.code, refused.value.message) == (-1121, "Invalid symbol.")


async def read_closed(simulator: Simulator, count: int) -> list[dict[str, Any]]:
    class HereClient(AsyncClient):  # type: ignore[misc]  # the library has no types
        API_URL = simulator.url + "/api"

    class HereSockets(BinanceSocketManager):  # type: ignore[misc]  # the library has no types
        STREAM_URL = simulator.stream_url + "/"

    client = await HereClient.create()
    closed: list[dict[str, Any]] = []
    try:
        async with HereSockets(client).kline_socket("BTCUSDT", interval="1h") as socket:
            while len(closed) < count:
                message = await asyncio.wait_for(socket.recv(), 10)
                if message["k"]["x"]:
                    closed.append(message["k"])
    finally:
        await client.close_connection()
    return closed


def test_socket_manager_tells_each_close(simulator: Simulator) -> None:
    closed = asyncio.run(read_closed(simulator, 5))

    first = (closed[0]["t"] - START_MS) // HOUR_MS
    assert [k["t"] for k in closed] == [HOURS[first + n].open_time_ms for n in range(5)]
    assert [k["c"] for k in closed] == [HOURS[first + n].close for n in range(5)]
