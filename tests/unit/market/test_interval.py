from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.errors import InvalidParameter
from market.interval import DAY_MS, Interval

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FROM, _TO = datetime(2016, 1, 1, tzinfo=UTC), datetime(2028, 6, 1, tzinfo=UTC)
NAMES = [
    "1s",
    "1m",
    "3m",
    "5m",
    "15m",
    "30m",
    "1h",
    "2h",
    "4h",
    "6h",
    "8h",
    "12h",
    "1d",
    "3d",
    "1w",
    "1M",
]

intervals = st.sampled_from(list(Interval))
times = st.integers(_FROM.timestamp() * 1000 + 40 * DAY_MS, _TO.timestamp() * 1000 - 40 * DAY_MS)
any_times = st.integers(0, 253_402_300_799_999)


def to_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


@cache
def calendar_grid(interval: Interval) -> list[int]:
    """Return every regular open time of twelve years, by the calendar alone."""
    if interval is Interval.MO1:
        days = _days()
        return [to_ms(day) for day in days if day.day == 1]
    if interval is Interval.W1:
        return [to_ms(day) for day in _days() if day.isoweekday() == 1]
    if interval is Interval.D3:
        return [to_ms(day) for day in _days() if (day - _EPOCH).days % 3 == 0]
    return [to_ms(day) for day in _days()]


def _days() -> list[datetime]:
    return [_FROM + timedelta(days=number) for number in range((_TO - _FROM).days)]


LONG = [Interval.D1, Interval.D3, Interval.W1, Interval.MO1]


def test_there_are_the_sixteen_of_binance() -> None:
    assert [interval.value for interval in Interval] == NAMES
    assert [Interval.parse(name).value for name in NAMES] == NAMES
    assert Interval.parse("1m") is not Interval.parse("1M")


def test_numbers_are_fixed_for_ever() -> None:
    assert [interval.number for interval in Interval] == list(range(1, 17))
    assert [Interval.from_number(number) for number in range(1, 17)] == list(Interval)


@pytest.mark.parametrize("wrong", ["7m", "1H", "", "1 m", "60m", "1mo"])
def test_other_names_are_refused(wrong: str) -> None:
    with pytest.raises(InvalidParameter, match="1s 1m 3m") as caught:
        Interval.parse(wrong)

    assert caught.value.value == wrong


@given(st.sampled_from(LONG), times)
def test_long_intervals_agree_with_the_calendar(interval: Interval, time_ms: int) -> None:
    grid = calendar_grid(interval)
    index = bisect_right(grid, time_ms) - 1

    assert interval.floor(time_ms) == grid[index]
    assert interval.ceil(time_ms) == grid[bisect_left(grid, time_ms)]
    assert interval.add(grid[index], 1) == grid[index + 1]
    assert interval.close_of(time_ms) == grid[index + 1] - 1


@given(st.sampled_from(LONG), times, times)
def test_counting_agrees_with_the_calendar(interval: Interval, start_ms: int, end_ms: int) -> None:
    grid = calendar_grid(interval)
    expected = [open_ms for open_ms in grid if start_ms <= open_ms < end_ms]

    assert interval.count(start_ms, end_ms) == len(expected)
    assert list(interval.iter_opens(start_ms, end_ms)) == expected


@given(st.sampled_from(NAMES[:12]), times)
def test_short_intervals_divide_the_day(name: str, time_ms: int) -> None:
    interval = Interval.parse(name)
    midnight = calendar_grid(Interval.D1)[bisect_right(calendar_grid(Interval.D1), time_ms) - 1]
    opens = list(interval.iter_opens(midnight, midnight + DAY_MS)) if name != "1s" else None

    if opens is not None:
        assert opens[0] == midnight
        assert {after - before for before, after in pairwise(opens)} == {interval.step_ms}
        assert interval.floor(time_ms) == max(open_ms for open_ms in opens if open_ms <= time_ms)
    assert interval.count(midnight, midnight + DAY_MS) * interval.typical_ms == DAY_MS


@given(intervals, any_times)
def test_floor_and_ceil_enclose(interval: Interval, time_ms: int) -> None:
    floor, ceil = interval.floor(time_ms), interval.ceil(time_ms)

    assert floor <= time_ms <= ceil
    assert interval.is_on_grid(floor)
    assert interval.is_on_grid(ceil)
    assert interval.is_on_grid(time_ms) == (floor == ceil)
    assert ceil in (floor, interval.add(floor, 1))
    assert interval.close_of(time_ms) >= time_ms


@given(intervals, any_times, st.integers(-500, 500), st.integers(-500, 500))
def test_steps_add_up(interval: Interval, time_ms: int, first: int, second: int) -> None:
    open_ms = interval.floor(time_ms)

    assert interval.add(interval.add(open_ms, first), second) == interval.add(
        open_ms, first + second
    )
    assert interval.is_on_grid(interval.add(open_ms, first))


@given(intervals, any_times, st.integers(0, 300), st.integers(-1, 1))
def test_count_and_iteration_agree(
    interval: Interval, start_ms: int, steps: int, shift_ms: int
) -> None:
    end_ms = interval.add(interval.ceil(start_ms), steps) + shift_ms

    opens = list(interval.iter_opens(start_ms, end_ms))

    assert len(opens) == interval.count(start_ms, end_ms)
    assert opens == sorted(set(opens))
    assert all(start_ms <= open_ms < end_ms for open_ms in opens)


@given(intervals, any_times)
def test_empty_and_backward_ranges_hold_nothing(interval: Interval, time_ms: int) -> None:
    assert interval.count(time_ms, time_ms) == 0
    assert interval.count(time_ms, time_ms - 1) == 0
    assert list(interval.iter_opens(time_ms, time_ms - DAY_MS)) == []


def test_known_open_times_of_binance() -> None:
    # Recorded from the archive: a Monday, a month, and a three-day kline of 2024.
    assert Interval.W1.is_on_grid(1_704_067_200_000)  # Monday 2024-01-01
    assert Interval.MO1.close_of(1_706_745_600_000) == 1_709_251_199_999  # February 2024
    assert Interval.D3.floor(1_704_067_200_000) == 1_703_980_800_000  # 2023-12-31


@given(intervals, intervals, times)
def test_divides_means_that_klines_nest(fine: Interval, coarse: Interval, time_ms: int) -> None:
    if fine.divides(coarse):
        open_ms = coarse.floor(time_ms)
        assert fine.is_on_grid(open_ms)
        assert fine.is_on_grid(coarse.close_of(open_ms) + 1)
    elif fine.typical_ms < coarse.typical_ms:
        opens = [coarse.add(coarse.floor(time_ms), step) for step in range(12)]
        assert not all(fine.is_on_grid(open_ms) for open_ms in opens)
