"""The wall clock of the machine that answers: the one that limits and bans are counted by.

It is not the exchange's time of the klines: that one hurries in a demo, while the minutes of
the weight limit do not. Every HTTP answer tells it, in whole seconds, by its `Date` header.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

MINUTE_MS = 60_000
#: What one header can't tell: it is cut to whole seconds.
_CUT_MS = 1_000


class WireClock:
    """The answering machine's wall clock: this machine's, as far as the answers allow.

    Each answer bounds the offset from both sides, a slow one only loosely; many of them
    together tell it closer than a second. Within the bounds this machine's clock is
    believed: so the processes of a machine agree, whatever answers each of them had. Safe
    to share.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._least_ms, self._most_ms = -math.inf, math.inf

    def now_ms(self) -> int:
        """Return the time, UTC epoch milliseconds."""
        return self.at_ms(self._wall())

    def at_ms(self, wall_s: float) -> int:
        """Return the time it was when this machine's clock said `wall_s`."""
        with self._lock:
            offset_ms = min(max(0.0, self._least_ms), self._most_ms)
        return int(wall_s * 1000 + offset_ms)

    def read(self, headers: Mapping[str, str], sent_s: float, received_s: float) -> None:
        """Take in an answer's `Date`; the times are this machine's, around the request."""
        told_ms = _date_ms(headers)
        if told_ms is None:
            return
        # Told between sending and receiving, and cut down by up to a second.
        least_ms, most_ms = told_ms - received_s * 1000, told_ms + _CUT_MS - sent_s * 1000
        with self._lock:
            if least_ms > self._most_ms or most_ms < self._least_ms:
                # One of the two clocks was set: what was known before counts no more.
                self._least_ms, self._most_ms = least_ms, most_ms
            self._least_ms = max(self._least_ms, least_ms)
            self._most_ms = min(self._most_ms, most_ms)


def _date_ms(headers: Mapping[str, str]) -> int | None:
    said = next((value for name, value in headers.items() if name.lower() == "date"), None)
    if said is None:
        return None
    try:
        return int(parsedate_to_datetime(said).timestamp()) * 1000
    except ValueError:
        return None
