"""Keeping the exchange's clock in the background: its absence stops nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

from market.clock import ExchangeClock, keep_measuring
from market.errors import KlinecastError
from market.log import get_logger

log = get_logger()

#: Seconds between tries until the exchange has answered once.
RETRY_S = 2.0


def start_clock(
    clock: ExchangeClock, fetch_time_ms: Callable[[], int], stop: threading.Event
) -> threading.Thread:
    """Calibrate the clock from a daemon thread, then measure it again every minute.

    Two readings come first, so that the demo's rate is known from the start.
    """

    def run() -> None:
        complained = False
        while not stop.is_set():
            try:
                clock.calibrate(fetch_time_ms, stop.wait)
            except KlinecastError as error:
                if not complained:
                    log.warning("exchange_clock_unavailable", detail=error.detail)
                complained = True
                stop.wait(RETRY_S)
                continue
            log.info("exchange_clock_measured", rate=clock.rate)
            keep_measuring(clock, fetch_time_ms, stop, on_error=_report)
            return

    thread = threading.Thread(target=run, name="exchange-clock-start", daemon=True)
    thread.start()
    return thread


def _report(error: Exception) -> None:
    log.warning("exchange_clock_unavailable", detail=str(error))
