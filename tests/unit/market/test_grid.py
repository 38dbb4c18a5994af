"""Grids: Binance's own and whole multiples of their units, in any time zone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.errors import InvalidParameter
from market.grid import Grid, Length, grid_of, parse_zone_ms
from market.interval import DAY_MS, HOUR_MS, MINUTE_MS, WEEK_MS, Interval
from market.times import parse_time_ms


@given(
    interval=st.sampled_from(list(Interval)),
    quarters=st.integers(-48, 56),
    time_ms=st.integers(WEEK_MS * 10, WEEK_MS * 3000),
)
def test_grid_of_a_time_zone_is_the_local_calendar(
    interval: Interval, quarters: int, time_ms: int
) -> None:
    grid = grid_of(interval, quarters * 15 * 60_000)

    open_ms = grid.floor(time_ms)

    assert open_ms <= time_ms < grid.next(open_ms)
    assert interval.is_on_grid(open_ms + grid.offset_ms)
    if not grid.is_moved:
        assert open_ms == interval.floor(time_ms)


def test_grid_is_made_only_of_klines_that_fit_its_time_zone() -> None:
    half_hour = grid_of(Interval.D1, 5 * HOUR_MS + HOUR_MS // 2)

    assert half_hour.is_made_of(Interval.M30)
    assert not half_hour.is_made_of(Interval.H1)
    assert not grid_of(Interval.D1, 8 * HOUR_MS).is_made_of(Interval.D1)
    assert grid_of(Interval.H1, 8 * HOUR_MS).is_moved is False
    assert grid_of(Interval.W1, DAY_MS // 2).is_moved is True


@pytest.mark.parametrize("interval", Interval)
@given(time_ms=st.integers(WEEK_MS, WEEK_MS * 5000), count=st.integers(-40, 40))
def test_grid_without_a_zone_is_the_intervals_own(
    interval: Interval, time_ms: int, count: int
) -> None:
    grid = grid_of(interval)

    open_ms = grid.floor(time_ms)

    assert open_ms == interval.floor(time_ms)
    assert grid.ceil(time_ms) == interval.ceil(time_ms)
    assert grid.add(open_ms, count) == interval.add(open_ms, count)
    assert [one for one in Interval if grid.is_made_of(one)] == [
        one for one in Interval if one is not interval and one.divides(interval)
    ]


@given(
    count=st.integers(1, 60),
    unit=st.sampled_from("smhdwM"),
    quarters=st.integers(-48, 56),
    time_ms=st.integers(0, WEEK_MS * 5000),
)
def test_slots_of_any_length_follow_one_another_from_the_anchor(
    count: int, unit: str, quarters: int, time_ms: int
) -> None:
    if unit == "w" and count > 52 or unit == "M" and count > 12:
        count = 1
    grid = Grid(Length.parse(f"{count}{unit}"), quarters * 15 * MINUTE_MS)

    open_ms = grid.floor(time_ms)

    assert open_ms <= time_ms < grid.next(open_ms)
    assert grid.floor(grid.next(open_ms)) == grid.next(open_ms)
    assert grid.next(grid.add(open_ms, -1)) == open_ms
    assert grid.floor(grid.anchor_ms) == grid.anchor_ms
    if grid.length.step_ms is not None:
        assert (open_ms - grid.anchor_ms) % grid.length.step_ms == 0


def test_quarters_begin_with_january_and_double_weeks_on_mondays() -> None:
    may = parse_time_ms("time", "2024-05-17")

    assert Grid(Length.parse("3M")).floor(may) == parse_time_ms("time", "2024-04-01")
    assert (Grid(Length.parse("2w")).floor(may) - parse_time_ms("time", "1970-01-05")) % (
        2 * WEEK_MS
    ) == 0
    assert Grid(Length.parse("45m")).is_made_of(Interval.M15)
    assert not Grid(Length.parse("45m")).is_made_of(Interval.M30)
    # Seven days from a Thursday are no week.
    assert not Grid(Length.parse("14d")).is_made_of(Interval.W1)
    assert Grid(Length.parse("2w")).is_made_of(Interval.W1)


@pytest.mark.parametrize("text", ["", "m", "0m", "-5m", "1.5h", "1y", "367d", "13M", "1H", "5 m"])
def test_wrong_length_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="a whole number of s, m, h"):
        Length.parse(text)


@pytest.mark.parametrize(
    ("text", "zone_ms"),
    [("8", 8 * HOUR_MS), ("+08:30", 8 * HOUR_MS + 30 * MINUTE_MS), ("-3", -3 * HOUR_MS)],
)
def test_zone_is_read_as_binance_does(text: str, zone_ms: int) -> None:
    assert parse_zone_ms(text) == zone_ms


@pytest.mark.parametrize("text", ["", "UTC", "15", "-12:30", "8:60", "٨"])
def test_wrong_zone_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="a time zone from"):
        parse_zone_ms(text)
