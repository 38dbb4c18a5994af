"""The simulator's clock: it starts anywhere, runs at any speed, and stops where the data end."""

from __future__ import annotations

import time
from collections.abc import Callable

from market.errors import InvalidParameter


class SimulatedClock:
    """A clock that runs `speed` times as fast as the machine's, never past `end_ms`.

    Times are UTC epoch milliseconds; speed 0 stands still.
    """

    def __init__(
        self,
        now_ms: int,
        speed: float,
        end_ms: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self.end_ms = end_ms
        self.set(now_ms, speed)

    @property
    def speed(self) -> float:
        """Simulated seconds a second of the machine."""
        return self._speed

    def now_ms(self) -> int:
        """Return the simulated time."""
        elapsed_s = self._monotonic() - self._set_at_s
        return min(self.end_ms, self._from_ms + int(elapsed_s * 1000 * self._speed))

    def set(self, now_ms: int, speed: float) -> None:
        """Set the time and the speed; a time after the end of the data is that end.

        Raises:
            InvalidParameter: a speed below 0.
        """
        if not 0 <= speed < float("inf"):
            raise InvalidParameter("speed", speed, "0 (frozen) or a positive number")
        self._from_ms = min(now_ms, self.end_ms)
        self._speed = speed
        self._set_at_s = self._monotonic()
