"""The grid of an interval, as it lies in UTC or moved by a time zone."""

from __future__ import annotations

from typing import NamedTuple

from market.interval import DAY_MS, Interval


class Grid(NamedTuple):
    """The slots of an interval; days, weeks and months begin `offset_ms` before UTC's do.

    An offset of 8 hours is the time zone +08:00. Times are UTC epoch milliseconds.
    """

    interval: Interval
    offset_ms: int = 0

    @property
    def is_moved(self) -> bool:
        """Tell whether the time zone changes any slot at all."""
        step_ms = self.interval.step_ms
        if step_ms is None or step_ms > DAY_MS:
            return self.offset_ms != 0
        return self.offset_ms % step_ms != 0

    def floor(self, time_ms: int) -> int:
        """Return the open time of the slot that holds `time_ms`."""
        return self.interval.floor(time_ms + self.offset_ms) - self.offset_ms

    def next(self, open_ms: int) -> int:
        """Return the open time of the slot after the one that opens at `open_ms`."""
        return self.interval.add(open_ms + self.offset_ms, 1) - self.offset_ms

    def is_made_of(self, finer: Interval) -> bool:
        """Tell whether each slot is made of whole klines of `finer`, which lie in UTC."""
        if finer is self.interval or finer.step_ms is None:
            return False
        return finer.divides(self.interval) and self.offset_ms % finer.step_ms == 0
