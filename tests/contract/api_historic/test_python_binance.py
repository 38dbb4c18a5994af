"""python-binance, unmodified, reads this API as if it were Binance."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from market.interval import HOUR_MS, Interval
from support.event_loops import run_apart
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines

with warnings.catch_warnings():
    # The library imports names its own dependency has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance.async_client import AsyncClient
    from binance.client import Client
    from binance.exceptions import BinanceAPIException

KLINES = make_klines(Interval.H1, 2_300)
ENTRY = '{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT"}'
NOW_MS = START_MS + 2_300 * HOUR_MS + 5


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API over a store that holds 2,300 hours, more than two pages."""
    store = new_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    add_series(store, "BTCUSDT", Interval.H1, KLINES, info=ENTRY)
    with history_api(store, NOW_MS) as url:
        yield url


@pytest.fixture
def client(api: str) -> Iterator[Client]:
    """A client that pings at its start, as it does by default."""

    class HistoryClient(Client):  # type: ignore[misc]  # the library has no types
        API_URL = f"{api}/api"

    client = HistoryClient()
    yield client
    client.close_connection()


def test_time_is_the_exchanges(client: Client) -> None:
    assert client.get_server_time() == {"serverTime": NOW_MS}


def test_newest_klines_are_read(client: Client) -> None:
    rows = client.get_klines(symbol="BTCUSDT", interval="1h")

    assert rows == [list(kline) for kline in KLINES[-500:]]


@pytest.mark.parametrize(("start", "end"), [(0, 2_300), (10, 1_010), (5, 1_004), (7, 8)])
def test_history_is_read_over_pages(client: Client, start: int, end: int) -> None:
    rows = client.get_historical_klines(
        "BTCUSDT", "1h", START_MS + start * HOUR_MS, START_MS + end * HOUR_MS - 1
    )

    assert rows == [list(kline) for kline in KLINES[start:end]]


def test_history_since_a_date_ends_at_the_newest(client: Client) -> None:
    rows = client.get_historical_klines("BTCUSDT", "1h", "2024-03-01")

    assert rows == [list(kline) for kline in KLINES[60 * 24 :]]


def test_history_is_generated_page_by_page(client: Client) -> None:
    rows = client.get_historical_klines_generator("BTCUSDT", "1h", START_MS)

    assert list(rows) == [list(kline) for kline in KLINES]


def test_first_kline_is_found(client: Client) -> None:
    # Calls that start before the listing get what there is from the listing on.
    assert client._get_earliest_valid_timestamp("BTCUSDT", "1h") == START_MS


def test_chart_klines_are_the_stored_ones(client: Client) -> None:
    rows = client.get_ui_klines(symbol="BTCUSDT", interval="1h", limit=2)

    assert rows == [list(kline) for kline in KLINES[-2:]]


def test_prices_are_told(client: Client) -> None:
    price = {"symbol": "BTCUSDT", "price": KLINES[-1].close}

    assert client.get_symbol_ticker(symbol="BTCUSDT") == price
    assert client.get_symbol_ticker(symbols='["BTCUSDT"]') == [price]
    assert client.get_all_tickers() == [price]


def test_average_price_is_told(client: Client) -> None:
    average = client.get_avg_price(symbol="BTCUSDT")

    assert (average["mins"], average["closeTime"]) == (60, KLINES[-1].close_time_ms)


def ask_asynchronously(api: str, ask: Callable[[AsyncClient], Awaitable[Any]]) -> Any:
    class HistoryClient(AsyncClient):  # type: ignore[misc]  # the library has no types
        API_URL = f"{api}/api"

    async def run() -> Any:
        client = await HistoryClient.create()
        try:
            return await ask(client)
        finally:
            await client.close_connection()

    return run_apart(run())


def test_asynchronous_client_reads_history(api: str) -> None:
    rows = ask_asynchronously(api, lambda c: c.get_historical_klines("BTCUSDT", "1h", START_MS))

    assert rows == [list(kline) for kline in KLINES]


def test_asynchronous_client_reads_the_rest(api: str) -> None:
    async def ask(client: AsyncClient) -> Any:
        pages = await client.get_historical_klines_generator("BTCUSDT", "1h", START_MS)
        return [
            await client.get_server_time(),
            await client.get_symbol_info("BTCUSDT"),
            await client.get_symbol_ticker(symbol="BTCUSDT"),
            [row async for row in pages],
        ]

    time, symbol, ticker, generated = ask_asynchronously(api, ask)

    assert time == {"serverTime": NOW_MS}
    assert symbol["baseAsset"] == "BTC"
    assert ticker["price"] == KLINES[-1].close
    assert generated == [list(kline) for kline in KLINES]


def test_call_the_api_has_not_is_an_error(client: Client) -> None:
    with pytest.raises(BinanceAPIException, match="not supported") as caught:
        client.get_order_book(symbol="BTCUSDT")

    assert (caught.value.status_code, caught.value.code) == (404, -1020)


def test_symbols_are_described(client: Client) -> None:
    assert [entry["symbol"] for entry in client.get_exchange_info()["symbols"]] == ["BTCUSDT"]
    assert client.get_symbol_info("BTCUSDT")["baseAsset"] == "BTC"


def test_errors_reach_the_caller(client: Client) -> None:
    with pytest.raises(BinanceAPIException) as caught:
        client.get_klines(symbol="NONE", interval="1h")

    assert (caught.value.status_code, caught.value.code) == (400, -1121)
