from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from binance_simulator.aggregation import aggregate, combine, flat
from binance_simulator.grid import Grid
from market.interval import DAY_MS, HOUR_MS, WEEK_MS, Interval
from market.kline import Kline
from market.times import parse_time_ms
from support.klines import make_klines

HOURS = make_klines(Interval.H1, 24 * 90 + 1)
HIGHER = [i for i in Interval if Interval.H1.divides(i) and i is not Interval.H1]


@pytest.mark.parametrize("interval", HIGHER)
@settings(deadline=None, max_examples=40)
@given(
    first_hour=st.integers(0, 24 * 700),
    kept=st.sets(st.integers(0, 24 * 90), min_size=1, max_size=80),
)
def test_aggregate_equals_each_slot_summed_by_hand(
    interval: Interval, first_hour: int, kept: set[int]
) -> None:
    start_ms = parse_time_ms("start", "2023-01-01") + first_hour * HOUR_MS
    hours = [
        HOURS[n]._replace(
            open_time_ms=start_ms + n * HOUR_MS, close_time_ms=start_ms + (n + 1) * HOUR_MS - 1
        )
        for n in sorted(kept)
    ]

    made = aggregate(hours, Interval.H1, Grid(interval))

    slots: dict[int, list[Kline]] = {}
    for hour in hours:
        slots.setdefault(interval.floor(hour.open_time_ms), []).append(hour)
    assert [kline.open_time_ms for kline in made] == sorted(slots)
    for kline in made:
        members = slots[kline.open_time_ms]
        assert kline.close_time_ms == interval.close_of(kline.open_time_ms)
        assert (kline.open, kline.close) == (members[0].open, members[-1].close)
        assert Fraction(kline.high) == max(Fraction(member.high) for member in members)
        assert Fraction(kline.low) == min(Fraction(member.low) for member in members)
        assert kline.number_of_trades == sum(member.number_of_trades for member in members)
        for field in (5, 7, 9, 10):
            total = sum(Fraction(str(member[field])) for member in members)
            assert Fraction(str(kline[field])) == total


def test_combine_keeps_every_digit_of_very_large_volumes() -> None:
    huge = make_klines(Interval.D1, 31)
    huge = [kline._replace(volume="98765432109876543210.00000001") for kline in huge]

    month = combine(0, 1, huge)

    assert month.volume == "3061728395406172839510.00000031"


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    days = make_klines(Interval.D1, 60, start_ms=parse_time_ms("start", "2024-01-31"))

    weeks = aggregate(days, Interval.D1, Grid(Interval.W1))
    months = aggregate(days, Interval.D1, Grid(Interval.MO1))

    assert weeks[0].open_time_ms == parse_time_ms("monday", "2024-01-29")
    assert weeks[1].open_time_ms == parse_time_ms("monday", "2024-02-05")
    assert [kline.open_time_ms for kline in months] == [
        parse_time_ms("month", f"2024-0{number}-01") for number in (1, 2, 3)
    ]
    assert months[1].close_time_ms == parse_time_ms("month", "2024-03-01") - 1


def test_aggregate_ends_where_an_outage_cut_the_last_kline_short() -> None:
    minutes = make_klines(Interval.M1, 59)
    cut = minutes[:39] + [minutes[39]._replace(close_time_ms=minutes[39].open_time_ms + 41_646)]

    stopped = aggregate(cut, Interval.M1, Grid(Interval.H1))
    resumed = aggregate([*cut, minutes[58]], Interval.M1, Grid(Interval.H1))

    assert stopped[0].close_time_ms == cut[-1].close_time_ms
    assert resumed[0].close_time_ms == Interval.H1.close_of(minutes[0].open_time_ms)


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
