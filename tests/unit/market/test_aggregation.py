"""Klines made of finer ones equal what anybody would add up by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.aggregation import Bucket, add_amounts, combine, iter_aggregated, merge_buckets
from market.grid import grid_of
from market.interval import HOUR_MS, Interval
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

    made = list(iter_aggregated(hours, Interval.H1, grid_of(interval)))

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

    weeks = list(iter_aggregated(days, Interval.D1, grid_of(Interval.W1)))
    months = list(iter_aggregated(days, Interval.D1, grid_of(Interval.MO1)))

    assert weeks[0].open_time_ms == parse_time_ms("monday", "2024-01-29")
    assert weeks[1].open_time_ms == parse_time_ms("monday", "2024-02-05")
    assert [kline.open_time_ms for kline in months] == [
        parse_time_ms("month", f"2024-0{number}-01") for number in (1, 2, 3)
    ]
    assert months[1].close_time_ms == parse_time_ms("month", "2024-03-01") - 1


def test_aggregate_ends_where_an_outage_cut_the_last_kline_short() -> None:
    minutes = make_klines(Interval.M1, 59)
    cut = minutes[:39] + [minutes[39]._replace(close_time_ms=minutes[39].open_time_ms + 41_646)]

    stopped = list(iter_aggregated(cut, Interval.M1, grid_of(Interval.H1)))
    resumed = list(iter_aggregated([*cut, minutes[58]], Interval.M1, grid_of(Interval.H1)))

    assert stopped[0].close_time_ms == cut[-1].close_time_ms
    assert resumed[0].close_time_ms == Interval.H1.close_of(minutes[0].open_time_ms)


@given(
    kept=st.sets(st.integers(0, 24 * 90), min_size=1, max_size=80),
    interval=st.sampled_from([Interval.D1, Interval.W1, Interval.MO1]),
    hours=st.sampled_from([-12, 0, 8, 14]),
)
def test_buckets_of_buckets_are_buckets_of_all(
    kept: set[int], interval: Interval, hours: int
) -> None:
    zone_ms = hours * HOUR_MS
    days, whole = grid_of(Interval.D1, zone_ms), grid_of(interval, zone_ms)
    klines = [HOURS[n] for n in sorted(kept)]
    by_day = [
        Bucket(kline, sum(days.floor(one.open_time_ms) == kline.open_time_ms for one in klines))
        for kline in iter_aggregated(klines, Interval.H1, days)
    ]

    merged = merge_buckets(by_day, whole, days)

    assert [one.kline for one in merged] == list(iter_aggregated(klines, Interval.H1, whole))
    assert sum(one.parts for one in merged) == len(klines)


def test_amounts_are_added_exactly() -> None:
    assert add_amounts(["0.10000000", "0.20000000", "99999999999999999999.99999999"]) == (
        "100000000000000000000.29999999"
    )
