"""Binance's sixteen kline intervals and the grid each one lays over time.

All times are UTC epoch milliseconds. An interval's grid is the set of its regular open
times: multiples of the step for `1s` to `3d`, Mondays for `1w`, first days of months
for `1M`. Source: Binance spot API, "Kline/Candlestick chart intervals".
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from market.errors import InvalidParameter

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
#: 1970-01-01 was a Thursday: the first Monday came four days later.
FIRST_MONDAY_MS = 4 * DAY_MS


class Interval(Enum):
    """One of Binance's sixteen intervals; the value is Binance's case-sensitive name.

    `step_ms` is the fixed length, `None` for the calendar month. `number` identifies
    the interval in the store and never changes.
    """

    S1 = "1s"
    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H8 = "8h"
    H12 = "12h"
    D1 = "1d"
    D3 = "3d"
    W1 = "1w"
    MO1 = "1M"

    number: int
    step_ms: int | None

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Return the interval of that name.

        Raises:
            InvalidParameter: the name is not one of the sixteen.
        """
        try:
            return cls(text)
        except ValueError:
            raise InvalidParameter(
                "interval", text, "one of " + " ".join(interval.value for interval in cls)
            ) from None

    @classmethod
    def from_number(cls, number: int) -> Interval:
        """Return the interval that the store knows by that number."""
        return _BY_NUMBER[number]

    def __str__(self) -> str:
        return str(self.value)

    @property
    def typical_ms(self) -> int:
        """The step, or 30 days for the calendar month: for estimates, never for the grid."""
        return 30 * DAY_MS if self.step_ms is None else self.step_ms

    def floor(self, time_ms: int) -> int:
        """Return the newest grid time that is not after `time_ms`."""
        if self.step_ms is None:
            return month_start_ms(month_number(time_ms))
        origin = FIRST_MONDAY_MS if self is Interval.W1 else 0
        return (time_ms - origin) // self.step_ms * self.step_ms + origin

    def ceil(self, time_ms: int) -> int:
        """Return the oldest grid time that is not before `time_ms`."""
        floor = self.floor(time_ms)
        return floor if floor == time_ms else self.add(floor, 1)

    def add(self, open_ms: int, count: int) -> int:
        """Return the grid time `count` steps after the grid time `open_ms`."""
        if self.step_ms is not None:
            return open_ms + count * self.step_ms
        return month_start_ms(month_number(open_ms) + count)

    def close_of(self, open_ms: int) -> int:
        """Return the close time of the kline in that slot: its last millisecond."""
        return self.add(self.floor(open_ms), 1) - 1

    def is_on_grid(self, time_ms: int) -> bool:
        """Tell whether `time_ms` is a regular open time."""
        return self.floor(time_ms) == time_ms

    def count(self, start_ms: int, end_ms: int) -> int:
        """Return the number of grid times in the half-open range."""
        first, end = self.ceil(start_ms), self.ceil(end_ms)
        if end <= first:
            return 0
        if self.step_ms is not None:
            return (end - first) // self.step_ms
        return month_number(end) - month_number(first)

    def iter_opens(self, start_ms: int, end_ms: int) -> Iterator[int]:
        """Yield the grid times of the half-open range, ascending."""
        open_ms = self.ceil(start_ms)
        while open_ms < end_ms:
            yield open_ms
            open_ms = self.add(open_ms, 1)

    def divides(self, coarser: Interval) -> bool:
        """Tell whether every kline of `coarser` is made of whole klines of this one."""
        if self is coarser or self.step_ms is None:
            return self is coarser
        if coarser.step_ms is None:
            return DAY_MS % self.step_ms == 0
        return coarser.step_ms % self.step_ms == 0


_STEPS_MS: dict[Interval, int | None] = {
    Interval.S1: SECOND_MS,
    Interval.M1: MINUTE_MS,
    Interval.M3: 3 * MINUTE_MS,
    Interval.M5: 5 * MINUTE_MS,
    Interval.M15: 15 * MINUTE_MS,
    Interval.M30: 30 * MINUTE_MS,
    Interval.H1: HOUR_MS,
    Interval.H2: 2 * HOUR_MS,
    Interval.H4: 4 * HOUR_MS,
    Interval.H6: 6 * HOUR_MS,
    Interval.H8: 8 * HOUR_MS,
    Interval.H12: 12 * HOUR_MS,
    Interval.D1: DAY_MS,
    Interval.D3: 3 * DAY_MS,
    Interval.W1: WEEK_MS,
    Interval.MO1: None,
}
for _number, (_interval, _step_ms) in enumerate(_STEPS_MS.items(), start=1):
    _interval.number = _number
    _interval.step_ms = _step_ms
_BY_NUMBER = {interval.number: interval for interval in Interval}


# Months by arithmetic, not by `datetime`: the end of year 9999 has a next month too. Months
# are counted from January of year 0; a year is taken to begin in March, so that the leap
# day is its last one.
_MONTHS_OF_400_YEARS = 4_800
_MS_OF_400_YEARS = 146_097 * DAY_MS
_EPOCH_MONTH = 1970 * 12
#: Days from the first of March of year 0 to 1970-01-01.
_EPOCH_DAY = 719_468


def month_start_ms(month: int) -> int:
    """Return the first millisecond of a month, counted from January of year 0."""
    year, of_year = divmod(month - 2, 12)
    days = year * 365 + year // 4 - year // 100 + year // 400 + (153 * of_year + 2) // 5
    return (days - _EPOCH_DAY) * DAY_MS


def month_number(time_ms: int) -> int:
    """Return the month that a time lies in, counted from January of year 0."""
    month = _EPOCH_MONTH + time_ms * _MONTHS_OF_400_YEARS // _MS_OF_400_YEARS  # off by one, at most
    while month_start_ms(month) > time_ms:
        month -= 1
    while month_start_ms(month + 1) <= time_ms:
        month += 1
    return month
