"""Selections of symbols."""

from __future__ import annotations

import pytest

from market.selection import Candidate, SymbolSelection, parse_selection

CANDIDATES = [
    Candidate("BTCUSDT", "USDT", "TRADING"),
    Candidate("ETHUSDT", "USDT", "TRADING"),
    Candidate("ETHBTC", "BTC", "TRADING"),
    Candidate("LUNAUSDT", "USDT", "BREAK"),
    Candidate("USDTBRL", "BRL", "TRADING"),
]


def chosen(text: str) -> list[str]:
    return parse_selection(text).choose(CANDIDATES)


def test_a_list_is_taken_as_it_is() -> None:
    selection = parse_selection(" ethbtc, LUNAUSDT,,ethbtc,NEWUSDT")

    assert selection.is_list
    assert selection.choose(CANDIDATES) == ["ETHBTC", "LUNAUSDT", "NEWUSDT"]
    assert selection == SymbolSelection(("ETHBTC", "LUNAUSDT", "NEWUSDT"))


def test_a_quote_asset_picks_what_trades_in_it() -> None:
    assert chosen("quote:usdt") == ["BTCUSDT", "ETHUSDT"]
    assert chosen("ETHUSDT,quote:BTC,quote:BRL") == ["ETHUSDT", "ETHBTC", "USDTBRL"]


def test_an_expression_is_found_in_the_names_of_what_trades() -> None:
    assert chosen("/^(BTC|ETH|LUNA)USDT$/") == ["BTCUSDT", "ETHUSDT"]
    assert chosen("/USDT/") == ["BTCUSDT", "ETHUSDT", "USDTBRL"]
    assert not parse_selection("/^E,?/").is_list


@pytest.mark.parametrize("text", ["", ",", "/", "//", "/^BTC", "BTC USDT", "quote:", ".*", "/(/"])
def test_what_is_none_of_the_forms_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_selection(text)


@pytest.mark.parametrize(
    ("text", "example"),
    [("ETHBTC,quote:USDT", "ETHBTC"), ("quote:EUR", "BTCEUR"), ("/X/", "BTCUSDT")],
)
def test_one_symbol_can_be_shown_before_any_is_known(text: str, example: str) -> None:
    assert parse_selection(text).example == example


def test_a_symbol_that_stopped_trading_is_still_admitted() -> None:
    assert parse_selection("quote:USDT").admits("LUNAUSDT", "USDT")
    assert not parse_selection("quote:USDT").admits("ETHBTC", "BTC")
