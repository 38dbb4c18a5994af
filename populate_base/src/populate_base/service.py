"""The process `populate-base follow`: starting, health, and stopping within seconds."""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from market.clock import ExchangeClock, keep_measuring
from market.errors import FatalError, RetryableError
from market.health import Readiness, serve_health
from market.log import get_logger
from market.store import Store, open_store
from market.store.symbols import Series
from populate_base.archive import Archive
from populate_base.backfill import Backfill, Pace, Sources
from populate_base.exchange import Exchange
from populate_base.follow import Follower, FollowPlan
from populate_base.progress import LoggedProgress
from populate_base.quarantine import Quarantine
from populate_base.settings import PopulateSettings
from populate_base.stream import STREAMS_PER_CONNECTION
from populate_base.universe import register_series
from populate_base.weight import WeightBudget
from populate_base.wire_clock import WireClock

log = get_logger()

_RETRY_S = 2.0
_STOP_WITHIN_S = 7.0


@contextmanager
def open_sources(settings: PopulateSettings, store: Store) -> Iterator[Sources]:
    """Open the exchange and the archive of the settings; no request is made yet.

    The store keeps the installation's request weight.
    """
    clock = ExchangeClock()
    weight = WeightBudget(store, WireClock(), share=settings.weight_share)
    with ExitStack() as stack:
        exchange = Exchange(settings.rest_urls, clock, weight, key=settings.key)
        stack.callback(exchange.close)
        archive = Archive(
            settings.archive_url,
            settings.listing_url,
            quarantine=Quarantine(settings.state_dir / "quarantine", clock.now_ms),
            connections=settings.downloads,
        )
        stack.callback(archive.close)
        yield Sources(exchange, archive, clock)


class FollowService:
    """Waits for the store and the exchange, then follows every series of the universe."""

    def __init__(self, settings: PopulateSettings, store: Store, sources: Sources) -> None:
        self._settings = settings
        self._store = store
        self._sources = sources
        self._followers: list[Follower] = []
        self._problem: str | None = "starting"
        self._failure: FatalError | None = None
        self._threads: list[threading.Thread] = []

    def readiness(self) -> Readiness:
        """Return what `/readyz` asks: the store, and that every series is followed."""
        return Readiness({"store": self._check_store, "follow": self._check_follow})

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set; returns within seconds, a unit of work may be left.

        Raises:
            FatalError: a wrong schema, an unknown symbol: what waiting cannot mend.
        """
        fetch_time_ms = self._sources.exchange.fetch_time_ms
        keep_measuring(self._sources.clock, fetch_time_ms, stop, on_error=_log_clock)
        self._start(self._prepare, stop)
        stop.wait()
        deadline_s = time.monotonic() + _STOP_WITHIN_S
        for thread in self._threads:
            thread.join(max(deadline_s - time.monotonic(), 0))
        if self._failure is not None:
            raise self._failure

    def is_working(self) -> bool:
        """Tell whether a unit of work still runs."""
        return any(thread.is_alive() for thread in self._threads)

    def _start(self, work: Callable[[threading.Event], None], stop: threading.Event) -> None:
        # Daemon threads: a hanging download must not keep the process, and a transaction
        # that is cut off leaves nothing behind.
        def guarded() -> None:
            try:
                work(stop)
            except FatalError as error:
                self._failure = error
                stop.set()

        context = contextvars.copy_context()  # the log's fields go along
        thread = threading.Thread(target=context.run, args=(guarded,), name="follow", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _prepare(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self._store.check_schema()
                series = self._register()
            except RetryableError as error:
                self._problem = error.detail
                log.warning("follow_waits", detail=error.detail)
                stop.wait(_RETRY_S)
                continue
            groups = range(0, len(series), STREAMS_PER_CONNECTION)
            for start in groups:
                follower = self._make_follower(series[start : start + STREAMS_PER_CONNECTION], stop)
                self._followers.append(follower)
                self._start(follower.run, stop)
            self._problem = None
            return

    def _register(self) -> list[Series]:
        exchange, settings = self._sources.exchange, self._settings
        now_ms = exchange.fetch_time_ms()
        return register_series(self._store, exchange, settings.symbols, settings.intervals, now_ms)

    def _make_follower(self, series: list[Series], stop: threading.Event) -> Follower:
        settings = self._settings
        pace = Pace(settings.downloads, settings.index_klines, stop.is_set)

        def make_backfill() -> Backfill:
            return Backfill(self._store, self._sources, LoggedProgress(), pace)

        plan = FollowPlan(
            series,
            settings.since,
            settings.stream_url,
            settings.index_klines,
            settings.stream_silence_s,
        )
        return Follower(self._store, self._sources, make_backfill, plan)

    def _check_store(self) -> str | None:
        self._store.ping()
        return None

    def _check_follow(self) -> str | None:
        problems = [self._problem, *(follower.problem() for follower in self._followers)]
        return next((problem for problem in problems if problem is not None), None)


def _log_clock(error: Exception) -> None:
    log.warning("clock_not_measured", detail=str(error))


def run_follow(settings: PopulateSettings, stop: threading.Event) -> None:
    """Run the service until `stop` is set.

    Raises:
        FatalError: what waiting cannot mend.
    """
    store = open_store(settings.store_url.get_secret_value())
    with open_sources(settings, store) as sources:
        service = FollowService(settings, store, sources)
        server = serve_health(settings.host, settings.port, service.readiness())
        log.info("health_served", host=settings.host, port=server.server_address[1])
        try:
            service.run(stop)
        finally:
            server.shutdown()
        log.info("stopped", work_left=service.is_working())
        if service.is_working():
            # Python would wait for downloads that hang. A transaction that is cut off here
            # is rolled back, and what it would have brought is fetched at the next start.
            sys.stderr.flush()
            os._exit(0)
        store.close()
