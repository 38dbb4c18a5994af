"""Following: store klines as they close, without a hole across any interruption."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from market.clock import ExchangeClock
from market.errors import (
    DataError,
    KlinecastError,
    NotFound,
    RateLimited,
    RetryableError,
    StoreUnavailable,
)
from market.kline import Kline
from market.log import get_logger
from market.store import Store
from market.store.symbols import Series
from populate_base import metrics
from populate_base.catch_up import CatchUp
from populate_base.lasting_stream import LastingStream
from populate_base.lateness import Lateness
from populate_base.spool import Spool
from populate_base.stream import ClosedKline
from populate_base.tails import Tails

log = get_logger()

_POLL_S = 0.25
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
#: Seconds between two looks for a store that is away.
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a follower works with."""

    store: Store
    clock: ExchangeClock
    tails: Tails
    catch_up: CatchUp
    spool: Spool
    lateness: Lateness
    open_stream: Callable[[threading.Event], LastingStream]


class Follower:
    """Follows the series of one connection: connect, catch up, store what closes.

    While the store is away, what closes is kept in the spool, and written in its order when
    the store is back. Where the spool has no room REST brings what was missed.
    """

    def __init__(self, series: Sequence[Series], parts: Parts) -> None:
        self._series = series
        self._parts = parts
        self._by_name = {(one.symbol, one.interval): one for one in series}
        self._behind: dict[Series, None] = {}
        self._is_store_away = self._has_lost = False
        self._is_clock_old = True
        self._look_s = self._ask_s = 0.0
        self._asking_failures = 0
        self._problem: str | None = "the first backfill has not ended"

    def problem(self) -> str | None:
        """Return why these series are not followed now, `None` while they are."""
        return self._problem or self._parts.lateness.problem()

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set; what passes by waiting is waited for.

        Raises:
            FatalError: what waiting cannot mend.
        """
        failures = 0
        while not stop.is_set():
            try:
                stream = self._parts.open_stream(stop)
                try:
                    self._expect(self._series)
                    self._is_clock_old = True
                    while not stop.is_set():
                        self._step(stream)
                        failures = failures if self._behind or self._is_store_away else 0
                finally:
                    stream.close()
            except (RetryableError, DataError) as error:
                failures += 1
                # One interruption is mended within a second; the second in a row is a problem.
                if failures > 1:
                    self._problem = error.detail
                metrics.RECONNECTS.inc()
                log.warning("follow_interrupted", detail=error.detail, failures=failures)
                stop.wait(_wait_s(failures))

    def _step(self, stream: LastingStream) -> None:
        has_work = not self._is_store_away and self._may_ask()
        closed = stream.receive(0 if has_work else _POLL_S)
        arrived_ms = self._parts.clock.now_ms()
        if self._is_store_away:
            self._keep(closed, arrived_ms)
            self._look_for_store()
            return
        try:
            if closed:
                self._expect(self._parts.tails.write(self._known(closed), arrived_ms))
            self._expect(self._parts.lateness.find_due())
            if self._may_ask():
                self._catch_up(next(iter(self._behind)))
        except StoreUnavailable as error:
            self._leave_store(error)
            self._keep(closed, arrived_ms)

    def _may_ask(self) -> bool:
        return bool(self._behind) and time.monotonic() >= self._ask_s

    def _known(self, closed: Iterable[ClosedKline]) -> Iterable[tuple[Series, Kline]]:
        for symbol, interval, kline in closed:
            series = self._by_name.get((symbol, interval))
            if series is not None:
                yield series, kline

    def _expect(self, series: Iterable[Series]) -> None:
        for one in series:
            self._parts.tails.forget(one)
            self._behind[one] = None

    def _catch_up(self, series: Series) -> None:
        try:
            if self._is_clock_old:
                self._parts.catch_up.measure_clock()
                self._is_clock_old = False
            next_ms = self._parts.catch_up.run(series)
        except StoreUnavailable:
            raise
        except NotFound as error:
            # One symbol that is gone must not end the others.
            log.error("symbol_gone", symbol=series.symbol, detail=error.detail)
            next_ms = self._parts.catch_up.find_end(series)
        except (RetryableError, DataError) as error:
            # The stream goes on; the others' turn comes first. A page that can't be true may
            # be true later, and is no reason to end the others either.
            self._behind[series] = self._behind.pop(series)
            self._asking_failures += 1
            wait_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
            self._ask_s = time.monotonic() + max(wait_s, _wait_s(self._asking_failures))
            self._problem = error.detail
            log.warning("catch_up_waits", symbol=series.symbol, detail=error.detail)
            return
        self._asking_failures = 0
        del self._behind[series]
        self._expect(self._parts.tails.begin(series, next_ms))
        self._parts.lateness.asked(series)
        if not self._behind:
            self._problem = None
            log.info("following", series=len(self._series))

    def _leave_store(self, error: KlinecastError) -> None:
        self._is_store_away = True
        self._problem = error.detail
        log.warning("store_away", detail=error.detail)

    def _keep(self, closed: Sequence[ClosedKline], arrived_ms: int) -> None:
        if closed and not self._parts.spool.append(arrived_ms, closed):
            self._has_lost = True

    def _look_for_store(self) -> None:
        if time.monotonic() < self._look_s:
            return
        self._look_s = time.monotonic() + _LOOK_EVERY_S
        try:
            self._parts.store.ping()
            self.replay()
        except StoreUnavailable:
            return
        self._is_store_away = False
        self._expect(self._series if self._has_lost else ())
        self._has_lost = False
        self._problem = None if not self._behind else "series are caught up after an interruption"
        log.info("store_back", behind=len(self._behind))

    def replay(self) -> None:
        """Write what waits in the spool, oldest first, and empty it.

        Raises:
            StoreUnavailable: the spool stays as it is; writing it again is harmless.
        """
        spool, frames = self._parts.spool, 0
        try:
            for arrived_ms, closed in spool.read():
                known = list(self._known(closed))
                self._begin(series for series, _ in known)
                self._expect(self._parts.tails.write(known, arrived_ms))
                frames += 1
        except DataError as error:
            log.error("spool_damaged", detail=error.detail, hint="REST catches up.")
            self._has_lost = True
        if frames > 0:
            log.info("spool_replayed", frames=frames, bytes=spool.size)
        spool.clear()

    def _begin(self, series: Iterable[Series]) -> None:
        # A reconnect while the store was away made them unknown: only few of their klines
        # would be held, and the rest be lost with the spool.
        for one in dict.fromkeys(series):
            if self._parts.tails.next_ms(one) is None:
                self._expect(self._parts.tails.begin(one, self._parts.catch_up.find_end(one)))


def _wait_s(failures: int) -> float:
    ceiling = min(_FIRST_WAIT_S * 2 ** min(failures, 10), _LONGEST_WAIT_S)
    return random.uniform(ceiling / 2, ceiling)
