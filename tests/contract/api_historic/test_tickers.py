"""`ticker/price` and `avgPrice` over sockets, on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest

from market.interval import HOUR_MS, MINUTE_MS, Interval
from market.store import Store
from market.store.symbols import Symbol, write_symbols
from support.history_api import add_series, history_api
from support.klines import START_MS, make_klines

HOURS = make_klines(Interval.H1, 3)
MINUTES = make_klines(Interval.M1, 12, start_ms=START_MS + 3 * HOUR_MS)
#: A price that a driver's decimals would print as 1E-8.
TINY = [kline._replace(low="0.00000001", close="0.00000001") for kline in HOURS[:1]]
NOW_MS = START_MS + 3 * HOUR_MS + 12 * MINUTE_MS


@pytest.fixture(scope="module")
def api(store: Store) -> Iterator[str]:
    """Four symbols: minutes after hours, one hour alone, a halted one, one without klines."""
    add_series(store, "BTCUSDT", Interval.H1, HOURS)
    add_series(store, "BTCUSDT", Interval.M1, MINUTES[:9] + MINUTES[10:])
    add_series(store, "PEPEUSDT", Interval.H1, TINY)
    add_series(store, "NEWUSDT", Interval.H1, [])
    add_series(store, "HALTUSDT", Interval.D1, make_klines(Interval.D1, 1))
    write_symbols(store, [Symbol("HALTUSDT", "HALT", "USDT", "BREAK", "{}")], 2)
    with history_api(store, NOW_MS) as url:
        yield url


def get(api: str, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{api}/api/v3/{path}", headers=headers)


def test_price_is_the_last_close(api: str) -> None:
    response = get(api, "ticker/price?symbol=BTCUSDT")

    assert response.text == f'{{"symbol":"BTCUSDT","price":"{MINUTES[-1].close}"}}'
    assert response.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert response.headers["X-Klinecast-As-Of"] == str(NOW_MS - 1)


def test_small_price_keeps_its_eight_decimals(api: str) -> None:
    assert get(api, "ticker/price?symbol=PEPEUSDT").json()["price"] == "0.00000001"


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("", ["BTCUSDT", "PEPEUSDT", "HALTUSDT"]),
        ('?symbols=["PEPEUSDT","BTCUSDT"]', ["PEPEUSDT", "BTCUSDT"]),
        ('?symbols=["BTCUSDT"]', ["BTCUSDT"]),
        ("?symbols=%5B%22BTCUSDT%22,%22HALTUSDT%22%5D&symbolStatus=BREAK", ["HALTUSDT"]),
        ("?symbolStatus=TRADING", ["BTCUSDT", "PEPEUSDT"]),
        ('?symbols=["BTCUSDT"]&symbolStatus=HALT', []),
    ],
)
def test_several_prices_are_an_array(api: str, query: str, symbols: list[str]) -> None:
    prices = get(api, f"ticker/price{query}").json()

    assert [price["symbol"] for price in prices] == symbols


def test_average_is_over_the_newest_five_minutes(api: str) -> None:
    response = get(api, "avgPrice?symbol=BTCUSDT")

    stored = [MINUTES[index] for index in (7, 8, 10, 11)]  # the tenth minute is missing
    volume = sum(Decimal(kline.volume) for kline in stored)
    paid = sum(Decimal(kline.quote_asset_volume) for kline in stored)
    assert response.text == (
        f'{{"mins":5,"price":"{paid / volume:.8f}","closeTime":{MINUTES[-1].close_time_ms}}}'
    )


def test_average_of_longer_klines_says_so(api: str) -> None:
    average = get(api, "avgPrice?symbol=HALTUSDT", **{"X-MBX-TIME-UNIT": "microsecond"}).json()

    assert average["mins"] == 24 * 60
    assert average["closeTime"] == (START_MS + 24 * HOUR_MS) * 1000 - 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("ticker/price?symbol=NONE", 400, -1121),
        ("ticker/price?symbol=NEWUSDT", 400, -2016),
        ("ticker/price?symbol=HALTUSDT&symbolStatus=TRADING", 400, -1220),
        ("avgPrice", 400, -1102),
        ("avgPrice?symbol=NONE", 400, -1121),
        ("avgPrice?symbol=NEWUSDT", 400, -2016),
        ("ticker/24hr?symbol=BTCUSDT", 404, -1020),
        ("depth", 404, -1020),
    ],
)
def test_errors_are_binances(api: str, path: str, status: int, code: int) -> None:
    response = get(api, path)

    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_refused(api: str, method: str) -> None:
    response = httpx.request(method, f"{api}/api/v3/klines?symbol=BTCUSDT&interval=1h")

    assert (response.status_code, response.headers["Allow"]) == (405, "GET")
    assert response.json() == {"code": -1020, "msg": "This operation is not supported."}
