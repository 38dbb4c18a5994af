"""The rolling window of klines."""

from __future__ import annotations

from forecast_sink.window import window_start
from market.interval import DAY_MS, Interval
from market.store.symbols import Series


def test_window_holds_that_many_klines() -> None:
    series = Series(1, "BTCUSDT", Interval.D1)

    assert window_start(series, 100 * DAY_MS, 10) == 91 * DAY_MS


def test_window_begins_at_the_first_time_at_the_latest() -> None:
    assert window_start(Series(1, "BTCUSDT", Interval.MO1), 100 * DAY_MS, 500_000) == 0
