from __future__ import annotations

from market.interval import HOUR_MS, Interval
from market.store import Store
from market.store.forecast_ledger import append_forecast
from market.store.ledger_extents import LedgerExtent, read_ledger_extents
from market.store.symbols import Series
from support.klines import START_MS
from support.ledger_rows import make_forecast
from support.stores import add_series


def test_every_series_that_was_forecast_is_counted(store: Store, series: Series) -> None:
    add_series(store, "ADAUSDT", Interval.H1)
    daily = add_series(store, "BTCUSDT", Interval.D1)
    for number in range(3):
        append_forecast(store, make_forecast(START_MS + number * HOUR_MS))
    append_forecast(store, make_forecast(START_MS, model="mlp", version="mlp-0123456789ab"))
    append_forecast(store, make_forecast(START_MS, interval=Interval.D1))

    with store.read() as connection:
        extents = read_ledger_extents(connection)

    assert extents == [
        LedgerExtent(series, 4, START_MS + 2 * HOUR_MS),
        LedgerExtent(daily, 1, START_MS),
    ]


def test_an_empty_ledger_has_no_extent(store: Store, series: Series) -> None:
    with store.read() as connection:
        assert read_ledger_extents(connection) == []
