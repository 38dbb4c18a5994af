"""The simulator's grids, and a kline as it stands when it opens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from binance_simulator.grid import Grid
from binance_simulator.history import flat
from market.interval import DAY_MS, HOUR_MS, WEEK_MS, Interval
from support.klines import make_klines


def test_flat_knows_nothing_but_the_open_price() -> None:
    kline = make_klines(Interval.H1, 1)[0]

    opened = flat(kline)

    assert {opened.open, opened.high, opened.low, opened.close} == {kline.open}
    assert opened.number_of_trades == 0
    assert {opened[5], opened[7], opened[9], opened[10]} == {"0.00000000"}


@given(
    interval=st.sampled_from(list(Interval)),
    quarters=st.integers(-48, 56),
    time_ms=st.integers(WEEK_MS * 10, WEEK_MS * 3000),
)
def test_grid_of_a_time_zone_is_the_local_calendar(
    interval: Interval, quarters: int, time_ms: int
) -> None:
    grid = Grid(interval, quarters * 15 * 60_000)

    open_ms = grid.floor(time_ms)

    assert open_ms <= time_ms < grid.next(open_ms)
    assert interval.is_on_grid(open_ms + grid.offset_ms)
    if not grid.is_moved:
        assert open_ms == interval.floor(time_ms)


def test_grid_is_made_only_of_klines_that_fit_its_time_zone() -> None:
    half_hour = Grid(Interval.D1, 5 * HOUR_MS + HOUR_MS // 2)

    assert half_hour.is_made_of(Interval.M30)
    assert not half_hour.is_made_of(Interval.H1)
    assert not Grid(Interval.D1, 8 * HOUR_MS).is_made_of(Interval.D1)
    assert Grid(Interval.H1, 8 * HOUR_MS).is_moved is False
    assert Grid(Interval.W1, DAY_MS // 2).is_moved is True
