"""Grids: Binance's intervals and whole multiples of their units, in any time zone. Pure.

All times are UTC epoch milliseconds. Without a time zone a grid's slots are counted from
1970-01-01T00:00:00Z, those of weeks from Monday, 1970-01-05; a time zone moves them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from market.errors import InvalidParameter
from market.interval import (
    DAY_MS,
    FIRST_MONDAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    WEEK_MS,
    Interval,
    month_number,
    month_start_ms,
)

_UNITS_MS = {
    "s": SECOND_MS,
    "m": MINUTE_MS,
    "h": HOUR_MS,
    "d": DAY_MS,
    "w": WEEK_MS,
    "M": None,
}
_FORM = re.compile(r"([1-9][0-9]{0,6})([smhdwM])")
_LONGEST_MS = 366 * DAY_MS
_EXPECTED = "a whole number of s, m, h, d, w or M, at most a year: 1h, 10m, 45m, 2d, 1w, 3M"
_EPOCH_MONTH = month_number(0)
_ZONE = re.compile(r"([+-]?)(\d{1,2})(?::([0-5]\d))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Length:
    """A kline's length: a whole number of one of Binance's units.

    Attributes:
        step_ms: the fixed length, `None` for months.
        months: calendar months a slot, 0 for fixed lengths.
        anchor_ms: a time at which a slot opens, from which all are counted.
    """

    name: str
    step_ms: int | None
    months: int
    anchor_ms: int

    @classmethod
    def parse(cls, text: str) -> Length:
        """Return the length of that name, of any number of units.

        Raises:
            InvalidParameter: it is no such name, or longer than a year.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise InvalidParameter("interval", text[:40], _EXPECTED)
        count, unit_ms = int(match[1]), _UNITS_MS[match[2]]
        if count * (unit_ms or 30 * DAY_MS) > _LONGEST_MS:
            raise InvalidParameter("interval", text, _EXPECTED)
        if unit_ms is None:
            return cls(text, None, count, 0)
        return cls(text, count * unit_ms, 0, FIRST_MONDAY_MS if match[2] == "w" else 0)

    @classmethod
    def of(cls, interval: Interval) -> Length:
        """Return one of Binance's own lengths."""
        return cls.parse(interval.value)

    @property
    def typical_ms(self) -> int:
        """The step, or 30 days a month: for estimates, never for the grid."""
        return 30 * DAY_MS * self.months if self.step_ms is None else self.step_ms

    def floor(self, time_ms: int) -> int:
        """Return the newest open time that is not after `time_ms`."""
        if self.step_ms is None:
            number = month_number(time_ms)
            return month_start_ms(number - (number - _EPOCH_MONTH) % self.months)
        return time_ms - (time_ms - self.anchor_ms) % self.step_ms

    def add(self, open_ms: int, count: int) -> int:
        """Return the open time `count` slots after an open time."""
        if self.step_ms is None:
            return month_start_ms(month_number(open_ms) + count * self.months)
        return open_ms + count * self.step_ms

    def is_made_of(self, finer: Interval) -> bool:
        """Tell whether every slot is made of whole klines of a finer interval."""
        if finer.step_ms is None:
            return False
        if self.step_ms is None:
            return DAY_MS % finer.step_ms == 0
        same_anchor = (self.anchor_ms - (FIRST_MONDAY_MS if finer is Interval.W1 else 0)) % (
            finer.step_ms
        ) == 0
        return finer.step_ms < self.step_ms and self.step_ms % finer.step_ms == 0 and same_anchor


class Grid(NamedTuple):
    """The slots of a length; they begin `offset_ms` before UTC's do.

    An offset of 8 hours is the time zone +08:00.
    """

    length: Length
    offset_ms: int = 0

    @property
    def anchor_ms(self) -> int:
        """A time at which a slot opens."""
        return self.length.anchor_ms - self.offset_ms

    @property
    def is_moved(self) -> bool:
        """Tell whether the time zone changes any slot at all: +08:00 never moves `1h`."""
        if self.length.step_ms is None:
            return self.offset_ms != 0
        return self.offset_ms % self.length.step_ms != 0

    def floor(self, time_ms: int) -> int:
        """Return the newest open time that is not after `time_ms`."""
        return self.length.floor(time_ms + self.offset_ms) - self.offset_ms

    def ceil(self, time_ms: int) -> int:
        """Return the oldest open time that is not before `time_ms`."""
        open_ms = self.floor(time_ms)
        return open_ms if open_ms == time_ms else self.add(open_ms, 1)

    def add(self, open_ms: int, count: int) -> int:
        """Return the open time `count` slots after an open time."""
        return self.length.add(open_ms + self.offset_ms, count) - self.offset_ms

    def next(self, open_ms: int) -> int:
        """Return the open time of the slot after the one that opens at `open_ms`."""
        return self.add(open_ms, 1)

    def iter_opens(self, start_ms: int, end_ms: int) -> Iterator[int]:
        """Yield the open times of the half-open range, ascending."""
        open_ms = self.ceil(start_ms)
        while open_ms < end_ms:
            yield open_ms
            open_ms = self.add(open_ms, 1)

    def is_made_of(self, finer: Interval) -> bool:
        """Tell whether each slot is made of whole klines of `finer`, which lie in UTC."""
        if finer.step_ms is None or not self.length.is_made_of(finer):
            return False
        return self.offset_ms % finer.step_ms == 0


def grid_of(interval: Interval, offset_ms: int = 0) -> Grid:
    """Return the grid of one of Binance's intervals in a time zone."""
    return Grid(Length.of(interval), offset_ms)


def parse_zone_ms(text: str) -> int:
    """Return how far a time zone is ahead of UTC: `8`, `+8:00`, `-03:30`, as Binance reads it.

    Raises:
        InvalidParameter: it is no time zone from -12:00 to +14:00.
    """
    match = _ZONE.fullmatch(text)
    zone_ms = 0
    if match is not None:
        sign, hours, minutes = match.groups()
        zone_ms = int(hours) * HOUR_MS + int(minutes or 0) * MINUTE_MS
        zone_ms = -zone_ms if sign == "-" else zone_ms
    if match is None or not -12 * HOUR_MS <= zone_ms <= 14 * HOUR_MS:
        raise InvalidParameter("timeZone", text[:40], "a time zone from -12:00 to +14:00")
    return zone_ms
