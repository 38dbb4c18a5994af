"""`exchangeInfo` repeats each symbol's entry byte by byte, and filters as Binance does."""

from __future__ import annotations

import orjson
import pytest

from api_historic.binance.exchange_info import build_exchange_info
from api_historic.binance.parameters import InfoCall
from api_historic.binance.rejections import Rejection
from market.store.symbols import Symbol

ALL = InfoCall(None, None, None, True)
BTC = Symbol(
    "BTCUSDT",
    "BTC",
    "USDT",
    "TRADING",
    '{"symbol":"BTCUSDT","status":"TRADING","permissions":[],"permissionSets":[["SPOT"]]}',
)
OLD = Symbol("OLDUSDT", "OLD", "USDT", "BREAK", '{"symbol":"OLDUSDT","permissions":["SPOT"]}')
ODD = Symbol(
    "ODDUSDT", "ODD", "USDT", "TRADING", '{"symbol":"ODDUSDT","permissions":["TRD_GRP_9"]}'
)


def names(body: bytes) -> list[str]:
    return [entry["symbol"] for entry in orjson.loads(body)["symbols"]]


def test_entries_are_the_exchanges_bytes() -> None:
    body = build_exchange_info([BTC], ALL, 7)

    assert body.startswith(b'{"timezone":"UTC","serverTime":7,"rateLimits":[{"rateLimitType"')
    assert body.endswith(b',"exchangeFilters":[],"symbols":[' + BTC.info.encode() + b"]}")


def test_symbols_outside_the_default_permissions_are_left_out() -> None:
    assert names(build_exchange_info([BTC, ODD], ALL, 7)) == ["BTCUSDT"]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (ALL, ["BTCUSDT", "OLDUSDT"]),
        (ALL._replace(status="BREAK"), ["OLDUSDT"]),
        (ALL._replace(permissions=["TRD_GRP_9"]), ["ODDUSDT"]),
        (ALL._replace(symbols=["OLDUSDT", "BTCUSDT", "OLDUSDT"]), ["OLDUSDT", "BTCUSDT"]),
        (ALL._replace(symbols=["ODDUSDT"]), ["ODDUSDT"]),
    ],
)
def test_filters_choose_symbols(call: InfoCall, expected: list[str]) -> None:
    assert names(build_exchange_info([BTC, OLD, ODD], call, 7)) == expected


def test_permission_sets_can_be_hidden() -> None:
    body = build_exchange_info([BTC], ALL._replace(shows_permission_sets=False), 7)

    assert orjson.loads(body)["symbols"][0]["permissionSets"] == []


def test_unknown_symbol_is_refused() -> None:
    with pytest.raises(Rejection, match="Invalid symbol."):
        build_exchange_info([BTC], ALL._replace(symbols=["BTCUSDT", "NONEUSDT"]), 7)
