"""python-binance, unmodified, reads this API as if it were Binance."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from market.interval import HOUR_MS, Interval
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines

with warnings.catch_warnings():
    # The library imports names its own dependency has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
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


def test_symbols_are_described(client: Client) -> None:
    assert [entry["symbol"] for entry in client.get_exchange_info()["symbols"]] == ["BTCUSDT"]
    assert client.get_symbol_info("BTCUSDT")["baseAsset"] == "BTC"


def test_errors_reach_the_caller(client: Client) -> None:
    with pytest.raises(BinanceAPIException) as caught:
        client.get_klines(symbol="NONE", interval="1h")

    assert (caught.value.status_code, caught.value.code) == (400, -1121)
