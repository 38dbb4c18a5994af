"""ccxt, unmodified, reads this API as if it were Binance; freqtrade downloads through it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import orjson
import pytest

from market.interval import HOUR_MS, Interval
from support.event_loops import run_apart
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines

RECORDED = os.environ.get("KLINECAST_TEST_DATA")
pytestmark = pytest.mark.skipif(
    RECORDED is None, reason="KLINECAST_TEST_DATA names no folder of recorded answers"
)
KLINES = make_klines(Interval.H1, 2_300)
NOW_MS = START_MS + 2_300 * HOUR_MS + 5
#: What ccxt keeps of a kline.
OHLCV = [[kline[0], *map(float, kline[1:6])] for kline in KLINES]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API over 2,300 hours, described as Binance described the symbol."""
    recorded = Path(RECORDED or "", "rest", "nautilus_http_spot_market_exchange_info.json")
    entry = orjson.loads(recorded.read_bytes())["symbols"][0]
    store = new_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    add_series(store, "BTCUSDT", Interval.H1, KLINES, info=orjson.dumps(entry).decode())
    with history_api(store, NOW_MS) as url:
        yield url


def settings(api: str) -> dict[str, Any]:
    """What ccxt's users write to point its `binance` here."""
    return {
        "urls": {"api": {"public": f"{api}/api/v3"}},
        "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
    }


@pytest.fixture
def exchange(api: str) -> ccxt.binance:
    """ccxt's Binance at this API."""
    return ccxt.binance(settings(api))


def test_markets_are_loaded(exchange: ccxt.binance) -> None:
    markets = exchange.load_markets()

    assert list(markets) == ["BTC/USDT"]
    assert (markets["BTC/USDT"]["active"], markets["BTC/USDT"]["precision"]["price"]) == (
        True,
        0.01,
    )


def test_time_is_the_exchanges(exchange: ccxt.binance) -> None:
    assert exchange.fetch_time() == NOW_MS


def test_newest_candles_are_the_default(exchange: ccxt.binance) -> None:
    assert exchange.fetch_ohlcv("BTC/USDT", "1h") == OHLCV[-500:]


def test_pages_are_asked_for_by_hand(exchange: ccxt.binance) -> None:
    found: list[list[float]] = []
    since_ms = START_MS
    while page := exchange.fetch_ohlcv("BTC/USDT", "1h", since=since_ms, limit=1000):
        found += page
        since_ms = int(page[-1][0]) + 1

    assert found == OHLCV


def test_pages_are_asked_for_by_ccxt(exchange: ccxt.binance) -> None:
    until_ms = START_MS + 2_200 * HOUR_MS
    paging = {"paginate": True, "paginationCalls": 1_000, "until": until_ms}

    found = exchange.fetch_ohlcv("BTC/USDT", "1h", since=START_MS, limit=5_000, params=paging)

    assert found == OHLCV[:2_201]


def test_all_twelve_columns_are_kept_by_the_plain_call(exchange: ccxt.binance) -> None:
    rows = exchange.publicGetKlines({"symbol": "BTCUSDT", "interval": "1h", "limit": 2})

    assert [list(map(str, row)) for row in rows] == [list(map(str, k)) for k in KLINES[-2:]]


def test_last_prices_are_told(exchange: ccxt.binance) -> None:
    prices = exchange.fetch_last_prices(["BTC/USDT"])

    assert prices["BTC/USDT"]["price"] == float(KLINES[-1].close)
    assert exchange.publicGetAvgPrice({"symbol": "BTCUSDT"})["mins"] == 60


def test_unknown_symbol_is_ccxts_own_error(exchange: ccxt.binance) -> None:
    with pytest.raises(ccxt.BadSymbol, match="Invalid symbol"):
        exchange.publicGetKlines({"symbol": "NONE", "interval": "1h"})


@pytest.mark.parametrize("call", ["fetch_ticker", "fetch_order_book", "fetch_trades"])
def test_what_klines_cannot_tell_is_refused(exchange: ccxt.binance, call: str) -> None:
    with pytest.raises(ccxt.BadRequest, match="-1020"):
        getattr(exchange, call)("BTC/USDT")


def test_candles_are_downloaded_as_freqtrade_does(api: str) -> None:
    """It asks where history begins, then for all pages at once, each by its start."""
    page_ms = 1_000 * HOUR_MS

    async def download() -> list[list[float]]:
        exchange = ccxt.async_support.binance(settings(api))
        try:
            await exchange.load_markets(reload=True, params={})
            first = await exchange.fetch_ohlcv("BTC/USDT", timeframe="1h", since=0, limit=1_000)
            starts = range(int(first[0][0]), NOW_MS, page_ms)
            pages = await asyncio.gather(
                *(
                    exchange.fetch_ohlcv("BTC/USDT", timeframe="1h", since=start, limit=1_000)
                    for start in starts
                )
            )
            return [row for page in pages for row in page]
        finally:
            await exchange.close()

    assert run_apart(download()) == OHLCV
