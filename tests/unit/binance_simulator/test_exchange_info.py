from __future__ import annotations

import pytest

from binance_simulator.exchange_info import build_symbol, find_step, is_wanted, split_symbol
from binance_simulator.rejections import Rejection
from market.interval import Interval
from support.klines import make_klines


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("BTCUSDT", ("BTC", "USDT")),
        ("ETHBTC", ("ETH", "BTC")),
        ("BTCFDUSD", ("BTC", "FDUSD")),
        ("1000SATSTRY", ("1000SATS", "TRY")),
        ("USDTUSDC", ("USDT", "USDC")),
    ],
)
def test_split_symbol_finds_the_quote_currency(symbol: str, parts: tuple[str, str]) -> None:
    assert split_symbol(symbol) == parts


@pytest.mark.parametrize(
    ("amounts", "step"),
    [
        (["42000.10000000", "42000.37000000"], "0.01000000"),
        (["0.00000638", "0.00000700"], "0.00000001"),
        (["12.00000000", "7.00000000"], "1.00000000"),
        (["0.00001000"], "0.00001000"),
        (["10", "0.5"], "0.10000000"),
        ([], "1.00000000"),
    ],
)
def test_find_step_is_the_finest_digit_seen(amounts: list[str], step: str) -> None:
    assert find_step(amounts) == step


def test_symbol_entry_takes_its_steps_from_prices_and_volumes() -> None:
    klines = [
        kline._replace(open="1.10000000", high="2.00000000", low="1.00000000", close="1.25000000",
                       volume="5.50000000")
        for kline in make_klines(Interval.H1, 3)
    ]  # fmt: skip

    entry = build_symbol("BTCUSDT", klines)

    filters = {f["filterType"]: f for f in entry["filters"]}  # type: ignore[attr-defined]
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.10000000"


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        ({}, True),
        ({"permissions": "SPOT"}, True),
        ({"permissions": '["MARGIN","LEVERAGED"]'}, True),
        ({"permissions": "LEVERAGED"}, False),
        ({"symbolStatus": "HALT"}, False),
        ({"symbolStatus": "TRADING"}, True),
    ],
)
def test_filters_decide_whether_symbols_are_listed(sent: dict[str, str], wanted: bool) -> None:
    assert is_wanted(sent, "TRADING") is wanted
    assert is_wanted({"symbolStatus": "BREAK"}, "BREAK")


@pytest.mark.parametrize(
    "sent", [{"permissions": "NONE"}, {"permissions": "["}, {"symbolStatus": "SLEEPING"}]
)
def test_filters_with_unknown_values_are_refused(sent: dict[str, str]) -> None:
    with pytest.raises(Rejection, match="is not valid"):
        is_wanted(sent, "TRADING")
