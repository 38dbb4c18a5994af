"""Prices come from the freshest klines, averages from the finest of the fresh ones."""

from __future__ import annotations

import pytest

from api_historic.binance.newest import ListedSymbol, NewestKline
from api_historic.binance.parameters import PriceCall
from api_historic.binance.rejections import Rejection
from api_historic.binance.tickers import (
    average_of,
    choose_source,
    choose_symbols,
    find_freshest,
    find_window,
    write_prices,
)
from market.interval import HOUR_MS, MINUTE_MS, Interval
from market.kline import Kline
from support.klines import START_MS

BTC = ListedSymbol(2, "BTCUSDT", "TRADING")
ETH = ListedSymbol(1, "ETHUSDT", "BREAK")
ALL = PriceCall(None, False, None)


def newest(interval: Interval, open_ms: int, close: str = "1.00000000") -> NewestKline:
    return NewestKline(2, interval, open_ms, interval.close_of(open_ms), close)


def kline(volume: str, paid: str, close: str = "7.00000000") -> Kline:
    return Kline(0, close, close, close, close, volume, 1, paid, 1, "0", "0")


def test_price_is_of_the_kline_that_closed_last() -> None:
    hour = newest(Interval.H1, START_MS, "1.00000000")
    minute = newest(Interval.M1, START_MS + HOUR_MS, "2.00000000")

    assert find_freshest([hour, minute]) == {2: minute}
    assert find_freshest([minute, hour]) == {2: minute}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (ALL, [BTC, ETH]),
        (ALL._replace(symbols=["ETHUSDT", "BTCUSDT"]), [ETH, BTC]),
        (ALL._replace(status="BREAK"), [ETH]),
        (PriceCall(["BTCUSDT"], True, "TRADING"), [BTC]),
        (PriceCall(["BTCUSDT"], False, "HALT"), []),
    ],
)
def test_symbols_are_chosen_as_binance_does(call: PriceCall, expected: list[ListedSymbol]) -> None:
    assert choose_symbols([BTC, ETH], call) == expected


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (PriceCall(["BTCUSDT", "NONE"], False, None), -1121),
        (PriceCall(["BTCUSDT"], True, "HALT"), -1220),
    ],
)
def test_symbols_that_are_not_there_are_refused(call: PriceCall, code: int) -> None:
    with pytest.raises(Rejection) as caught:
        choose_symbols([BTC, ETH], call)

    assert caught.value.code == code


def test_symbol_without_klines_is_left_out_of_lists_alone() -> None:
    prices = {2: newest(Interval.M1, START_MS, "0.00000001")}

    assert write_prices([ETH, BTC], prices, ALL) == b'[{"symbol":"BTCUSDT","price":"0.00000001"}]'
    with pytest.raises(Rejection, match="No trading window"):
        write_prices([ETH], prices, PriceCall(["ETHUSDT"], True, None))


def test_finest_of_the_fresh_series_is_averaged() -> None:
    hour = newest(Interval.H1, START_MS)
    fresh = newest(Interval.M1, START_MS + 56 * MINUTE_MS)
    stale = newest(Interval.M1, START_MS + 54 * MINUTE_MS)

    assert choose_source([hour, fresh]) == fresh
    assert choose_source([hour, stale]) == hour
    with pytest.raises(Rejection, match="No trading window"):
        choose_source([])


@pytest.mark.parametrize(
    ("interval", "opened_ms", "minutes"),
    [
        (Interval.S1, START_MS + 1_000, 5),
        (Interval.M1, START_MS, 5),
        (Interval.M3, START_MS, 3),
        (Interval.M5, START_MS + 7, 5),
        (Interval.H1, START_MS, 60),
        (Interval.MO1, START_MS, 31 * 24 * 60),
    ],
)
def test_window_is_five_minutes_or_one_kline(
    interval: Interval, opened_ms: int, minutes: int
) -> None:
    start_ms, end_ms = find_window(newest(interval, opened_ms))

    assert end_ms - start_ms == minutes * MINUTE_MS
    assert end_ms == interval.close_of(opened_ms) + 1


def test_average_is_weighted_by_volume() -> None:
    klines = [kline("1.00000000", "10.00000000"), kline("2.00000000", "40.00000000")]

    assert average_of(klines) == "16.66666667"


def test_average_without_trades_is_the_last_price() -> None:
    assert average_of([kline("0.00000000", "0.00000000", "3.50000000")]) == "3.50000000"
