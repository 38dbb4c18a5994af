"""Up to where klines are confirmed, on every engine."""

from __future__ import annotations

from market.interval import Interval
from market.store import Store
from market.store.confirmations import read_confirmed, read_first_streamed, write_confirmed
from market.store.klines import Batch, Source, write_klines
from support.klines import make_klines
from support.stores import add_series

HOURS = make_klines(Interval.H1, 4)


def test_confirmed_is_what_was_last_said(store: Store) -> None:
    hours, days = (
        add_series(store, "BTCUSDT", Interval.H1),
        add_series(store, "BTCUSDT", Interval.D1),
    )
    with store.begin() as connection:
        assert read_confirmed(connection, hours) is None
        write_confirmed(connection, hours, 1_000)
        write_confirmed(connection, hours, 2_000)

    with store.read() as connection:
        assert read_confirmed(connection, hours) == 2_000
        assert read_confirmed(connection, days) is None


def test_the_first_streamed_kline_is_found(store: Store) -> None:
    series = add_series(store, "BTCUSDT", Interval.H1)
    with store.read() as connection:
        assert read_first_streamed(connection, series) is None

    write_klines(store, series, HOURS[:1], Batch(Source.REST, "rest", 10))
    write_klines(store, series, HOURS[1:2], Batch(Source.WS, "ws", 30))
    write_klines(store, series, HOURS[2:], Batch(Source.WS, "ws", 20))

    with store.read() as connection:
        assert read_first_streamed(connection, series) == 20
