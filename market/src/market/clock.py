"""The exchange's clock: its offset to this machine's and, in the demo, its rate.

"Now" in Klinecast is the exchange's now. Only time-outs and logs use the machine's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

#: A real exchange's clock runs as ours does; a measured rate this close to 1 is 1.
_RATE_TOLERANCE = 0.02
#: The first wait between measurements in a thread: each one is twice as long as the last.
_FIRST_PERIOD_S = 2.0


class Reading(NamedTuple):
    """One look at the exchange's clock: its time, and this machine's at that moment.

    `uncertainty_s` is how far `machine_s` may be off: half of the round trip.
    """

    exchange_ms: int
    machine_s: float
    uncertainty_s: float = 0.0


class ExchangeClock:
    """The exchange's time, carried forward between measurements.

    Two readings, at least `MIN_SPAN_S` apart, give the rate; one gives the offset.
    Without any, the machine's own UTC time is used and `is_measured` is false.
    Safe to share between threads.
    """

    MIN_SPAN_S = 0.5

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._last: Reading | None = None
        self._rate = 1.0

    @property
    def is_measured(self) -> bool:
        """Tell whether the exchange was asked at least once."""
        return self._last is not None

    @property
    def rate(self) -> float:
        """Exchange seconds a machine second: 1 except in the demo, 0 where it has ended."""
        return self._rate

    def now_ms(self) -> int:
        """Return the exchange's time, UTC epoch milliseconds."""
        with self._lock:
            if self._last is None:
                return time.time_ns() // 1_000_000
            elapsed_s = self._monotonic() - self._last.machine_s
            return self._last.exchange_ms + int(elapsed_s * 1000 * self._rate)

    def measure(self, fetch_time_ms: Callable[[], int]) -> None:
        """Take one reading; half the round trip is credited to the way back."""
        before_s = self._monotonic()
        exchange_ms = fetch_time_ms()
        half_s = (self._monotonic() - before_s) / 2
        self.record(Reading(exchange_ms, before_s + half_s, half_s))

    def record(self, reading: Reading) -> None:
        """Take in a reading: set the offset, and the rate where the span allows."""
        with self._lock:
            last = self._last
            if last is not None:
                span_s = reading.machine_s - last.machine_s
                if span_s < self.MIN_SPAN_S:
                    return
                exchange_s = (reading.exchange_ms - last.exchange_ms) / 1000
                # A slow answer must not make a real exchange's clock look like a demo's.
                doubt_s = (
                    _RATE_TOLERANCE * span_s + reading.uncertainty_s + last.uncertainty_s + 0.001
                )
                as_ours = abs(exchange_s - span_s) <= doubt_s
                self._rate = 1.0 if as_ours else max(exchange_s / span_s, 0.0)
            self._last = reading

    def calibrate(
        self, fetch_time_ms: Callable[[], int], sleep: Callable[[float], object] = time.sleep
    ) -> None:
        """Take the two readings that give offset and rate; takes `MIN_SPAN_S`."""
        self.measure(fetch_time_ms)
        sleep(self.MIN_SPAN_S * 1.1)
        self.measure(fetch_time_ms)


def keep_measuring(
    clock: ExchangeClock,
    fetch_time_ms: Callable[[], int],
    stop: threading.Event,
    *,
    on_error: Callable[[Exception], None],
    period_s: float = 60.0,
) -> threading.Thread:
    """Measure the clock in a daemon thread until `stop` is set.

    The waits grow from two seconds to the period: each longer span gives a better rate.
    A failed measurement is handed to `on_error`; the clock then runs on as last measured,
    and the next try comes after a twelfth of the period.
    """

    def run() -> None:
        failed = not clock.is_measured
        wait_s = min(_FIRST_PERIOD_S, period_s)
        while not stop.wait(period_s / 12 if failed else wait_s):
            try:
                clock.measure(fetch_time_ms)
                failed = False
                wait_s = min(2 * wait_s, period_s)
            except Exception as error:  # noqa: BLE001  the thread's outermost loop
                failed = True
                on_error(error)

    thread = threading.Thread(target=run, name="exchange-clock", daemon=True)
    thread.start()
    return thread
