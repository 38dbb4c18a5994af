"""Where a token is asked for, unmodified tools send it as they send Binance's keys."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import ccxt
import pytest

from klinecast_client import Client
from market.access.audit import Actor
from market.access.scopes import SCOPES
from market.access.settings import SessionSettings
from market.access.token_store import TokenWish, create_token
from market.errors import Unauthorized
from support.history_api import history_api
from support.seed import NOW_MS, seed_market

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance.client import Client as BinanceClient
    from binance.exceptions import BinanceAPIException


class Guarded(NamedTuple):
    """An API that lets in nobody without a token, and a token."""

    url: str
    token: str


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A seeded installation with `KLINECAST_AUTH=required`."""
    store = seed_market(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    with store.begin() as connection:
        wish = TokenWish("tools", frozenset(SCOPES))
        token = create_token(connection, wish, Actor("test", "test")).text
    access = SessionSettings(auth="required")
    with history_api(store, NOW_MS, access=access) as url:
        yield Guarded(url, token)


def binance_client(api: Guarded, token: str | None) -> BinanceClient:
    class HistoryClient(BinanceClient):  # type: ignore[misc]  # the library has no types
        API_URL = f"{api.url}/api"

    return HistoryClient(api_key=token)


def test_python_binance_sends_it_as_its_key(api: Guarded) -> None:
    client = binance_client(api, api.token)

    assert len(client.get_klines(symbol="BTCUSDT", interval="1h", limit=3)) == 3
    client.close_connection()


def test_python_binance_without_it_is_refused_in_binances_words(api: Guarded) -> None:
    client = binance_client(api, None)

    with pytest.raises(BinanceAPIException) as caught:
        client.get_klines(symbol="BTCUSDT", interval="1h")

    assert caught.value.status_code == 401
    assert caught.value.code in (-2014, -2015)
    client.close_connection()


def test_ccxt_sends_it_as_a_header(api: Guarded) -> None:
    settings = {
        "urls": {"api": {"public": f"{api.url}/api/v3"}},
        "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
    }

    exchange = ccxt.binance(settings | {"headers": {"X-MBX-APIKEY": api.token}})

    assert len(exchange.fetch_ohlcv("BTC/USDT", "1h", limit=3)) == 3
    with pytest.raises(ccxt.AuthenticationError):
        ccxt.binance(settings).load_markets()


@pytest.mark.parametrize("arrow", [True, False])
def test_client_of_this_project_sends_it(api: Guarded, arrow: bool) -> None:
    with Client(api.url, api.token, arrow=arrow) as client:
        assert len(client.latest("BTCUSDT", "1h", 3)) == 3
        assert len(client.klines("BTCUSDT", "1h", NOW_MS - 4 * 3_600_000)) == 3

    with Client(api.url, arrow=arrow) as client, pytest.raises(Unauthorized):
        client.klines("BTCUSDT", "1h")
