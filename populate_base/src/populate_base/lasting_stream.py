"""A stream that outlives its connections: each is replaced before the exchange ends it."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable

from market.errors import DataError, ExchangeUnavailable
from market.log import get_logger
from populate_base import metrics
from populate_base.stream import ClosedKline, KlineStream

log = get_logger()

#: Both connections are listened to for so long, so that nothing is lost between them.
_OVERLAP_S = 5.0
_AGAIN_AFTER_S = 10.0


class ConnectPace:
    """Holds connecting back below Binance's 300 in five minutes. Safe to share."""

    MOST, WITHIN_S = 150, 300.0

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._made_s: deque[float] = deque(maxlen=self.MOST)

    def take(self) -> float:
        """Return 0 and count a connection, or return the seconds until one may be made."""
        with self._lock:
            now_s = self._monotonic()
            if len(self._made_s) == self.MOST and now_s - self._made_s[0] < self.WITHIN_S:
                return self.WITHIN_S - (now_s - self._made_s[0])
            self._made_s.append(now_s)
            return 0.0


class LastingStream:
    """Klines of one connection after the other, the next one opened before the last ends.

    A swap is planned when the connection is `life_s` old or the exchange says that it shuts
    down: the new one is opened in a thread, subscribed to and heard, both are listened to
    for a while, and only then the old one is closed. A kline may come twice, none is lost.
    """

    def __init__(
        self, open_one: Callable[[], KlineStream], life_s: float, *, overlap_s: float = _OVERLAP_S
    ) -> None:
        self._open_one = open_one
        self._life_s = life_s
        self._overlap_s = overlap_s
        self._lock = threading.Lock()
        self._next: KlineStream | None = None
        self._opening: threading.Thread | None = None
        self._is_closed = False
        self._not_before_s = self._both_since_s = 0.0
        self._current = open_one()
        self._plan_end()

    def _plan_end(self) -> None:
        # Not all connections of a process at the same time.
        self._ends_s = time.monotonic() + self._life_s * random.uniform(0.9, 1.0)

    def receive(self, timeout_s: float) -> list[ClosedKline]:
        """Return the klines that closed; see `KlineStream.receive`, which raises the same."""
        try:
            closed = self._current.receive(timeout_s)
        except ExchangeUnavailable:
            with self._lock:
                if self._next is None:
                    raise
            # The next one listens already: what the old one had still to say, it says too.
            return self._swap()
        self._tend()
        return closed + self._receive_next()

    def _receive_next(self) -> list[ClosedKline]:
        with self._lock:
            following = self._next
        if following is None:
            return []
        try:
            closed = following.receive(0)
        except (ExchangeUnavailable, DataError) as error:
            log.warning("swap_failed", detail=error.detail)
            with self._lock:
                self._next, self._not_before_s = None, time.monotonic() + _AGAIN_AFTER_S
            _close_aside(following)
            return []
        if following.has_heard and time.monotonic() - self._both_since_s >= self._overlap_s:
            closed += self._current.receive(0)
            closed += self._swap()
        return closed

    def _tend(self) -> None:
        now_s = time.monotonic()
        with self._lock:
            is_due = now_s >= self._ends_s or self._current.is_ending
            is_busy = self._next is not None or self._opening is not None
            if is_busy or not is_due or now_s < self._not_before_s:
                return
            self._opening = threading.Thread(target=self._open_next, name="swap", daemon=True)
        self._opening.start()

    def _open_next(self) -> None:
        following = None
        try:
            following = self._open_one()
        except (ExchangeUnavailable, DataError) as error:
            log.warning("swap_failed", detail=error.detail)
        with self._lock:
            self._opening = None
            self._both_since_s = time.monotonic()
            if following is None:
                self._not_before_s = self._both_since_s + _AGAIN_AFTER_S
            elif not self._is_closed:
                self._next, following = following, None
        if following is not None:
            following.close()

    def _swap(self) -> list[ClosedKline]:
        with self._lock:
            old, following = self._current, self._next
            if following is None:
                raise AssertionError("there is a next connection wherever this is called")
            self._current, self._next = following, None
            self._plan_end()
        metrics.SWAPS.inc()
        log.info("stream_swapped")
        _close_aside(old)
        return following.receive(0)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            self._is_closed = True
            open_ones = [one for one in (self._current, self._next) if one is not None]
        for one in open_ones:
            one.close()


def _close_aside(stream: KlineStream) -> None:
    # Closing waits for the other side, up to a second.
    threading.Thread(target=stream.close, name="close-stream", daemon=True).start()
