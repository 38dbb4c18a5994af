"""The universe of any day."""

from __future__ import annotations

import pytest

from market.errors import NotFound
from market.interval import Interval
from market.store import Store
from market.store.symbol_states import (
    GONE,
    Lifecycle,
    read_universe,
    write_lifecycle,
    write_snapshot,
)
from market.store.symbols import Symbol, find_series, read_symbols, write_symbols
from support.stores import count

BTC = Symbol("BTCUSDT", "BTC", "USDT", "TRADING", '{"filters": [1], "other": 1}')
LUNA = Symbol("LUNAUSDT", "LUNA", "USDT", "TRADING", '{"filters": [2]}')


def statuses(store: Store, as_of_ms: int | None = None, venue: str = "binance") -> dict[str, str]:
    with store.read() as connection:
        found = read_universe(connection, as_of_ms, venue=venue)
    return {one.symbol.symbol: one.symbol.status for one in found}


def test_a_state_is_kept_only_where_status_or_filters_changed(store: Store) -> None:
    assert write_snapshot(store, [BTC, LUNA], 10) == ["BTCUSDT", "LUNAUSDT"]
    assert write_snapshot(store, [BTC, LUNA], 20) == []
    assert write_snapshot(store, [BTC._replace(info='{"filters": [1]}'), LUNA], 30) == []
    assert write_snapshot(store, [BTC._replace(info='{"filters": [9]}'), LUNA], 40) == ["BTCUSDT"]

    assert count(store, "symbol_states") == 3
    with store.read() as connection:
        (told, *_) = read_universe(connection, 39)
        (now, *_) = read_universe(connection)
    assert (told.symbol.info, told.since_ms) == ('{"filters": [1], "other": 1}', 10)
    assert (now.symbol.info, now.since_ms) == ('{"filters": [9]}', 40)


def test_the_universe_is_that_of_the_day(store: Store) -> None:
    write_snapshot(store, [BTC], 10)
    write_snapshot(store, [BTC, LUNA], 20)
    write_snapshot(store, [BTC, LUNA._replace(status="BREAK")], 30)
    write_snapshot(store, [BTC], 40)

    assert statuses(store, 9) == {}
    assert statuses(store, 19) == {"BTCUSDT": "TRADING"}
    assert statuses(store, 29) == {"BTCUSDT": "TRADING", "LUNAUSDT": "TRADING"}
    assert statuses(store, 39) == {"BTCUSDT": "TRADING", "LUNAUSDT": "BREAK"}
    assert statuses(store) == statuses(store, 40) == {"BTCUSDT": "TRADING", "LUNAUSDT": GONE}


def test_a_symbol_that_comes_back_trades_again(store: Store) -> None:
    for seen_ms, listed in ((10, [BTC, LUNA]), (20, [BTC]), (30, [BTC, LUNA])):
        write_snapshot(store, listed, seen_ms)

    assert statuses(store, 25)["LUNAUSDT"] == GONE
    assert statuses(store)["LUNAUSDT"] == "TRADING"


def test_klines_prove_trading_before_the_first_snapshot(store: Store) -> None:
    write_snapshot(store, [BTC, LUNA], 1000)
    with store.begin() as connection:
        write_lifecycle(connection, "BTCUSDT", Lifecycle(listed_ms=100))
        write_lifecycle(connection, "LUNAUSDT", Lifecycle(300, 500, "LUNCUSDT"))

    assert statuses(store, 99) == {}
    assert statuses(store, 400) == {"BTCUSDT": "TRADING", "LUNAUSDT": "TRADING"}
    assert statuses(store, 500) == {"BTCUSDT": "TRADING", "LUNAUSDT": GONE}
    with store.read() as connection:
        assert read_universe(connection)[1].life == Lifecycle(300, 500, "LUNCUSDT")


def test_a_snapshot_alone_asks_for_no_klines(store: Store) -> None:
    write_snapshot(store, [BTC, LUNA], 10)
    write_symbols(store, [BTC], 20)

    with store.read() as connection:
        assert [symbol for _, symbol in read_symbols(connection)] == [BTC]
        assert find_series(connection, "BTCUSDT", Interval.H1).symbol == "BTCUSDT"
        with pytest.raises(NotFound, match="LUNAUSDT"):
            find_series(connection, "LUNAUSDT", Interval.H1)
        assert [one.is_registered for one in read_universe(connection)] == [True, False]


def test_venues_do_not_mix(store: Store) -> None:
    write_snapshot(store, [BTC, LUNA], 10)
    write_snapshot(store, [BTC._replace(status="BREAK")], 20, venue="binanceus")
    write_symbols(store, [BTC], 30)
    write_symbols(store, [BTC], 30, venue="binanceus")

    assert statuses(store) == {"BTCUSDT": "TRADING", "LUNAUSDT": "TRADING"}
    assert statuses(store, venue="binanceus") == {"BTCUSDT": "BREAK"}
    with store.read() as connection:
        here = find_series(connection, "BTCUSDT", Interval.H1)
        there = find_series(connection, "BTCUSDT", Interval.H1, venue="binanceus")
    assert here.symbol_id != there.symbol_id
    assert (here.venue, there.venue) == ("binance", "binanceus")
