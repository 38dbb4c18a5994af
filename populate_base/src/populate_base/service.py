"""The process `populate-base follow`: starting, health, and stopping within seconds."""

from __future__ import annotations

import contextvars
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TypeVar

from market.clock import ExchangeClock, keep_measuring
from market.errors import DataError, FatalError, RetryableError
from market.health import Readiness, serve_health
from market.log import get_logger
from market.store import Store, open_store
from market.store.leases import KeptLease, read_lease
from market.store.symbols import Series
from market.wire_clock import WireClock
from populate_base.archive import Archive
from populate_base.backfill import Sources
from populate_base.confirm import Confirmer
from populate_base.exchange import Exchange
from populate_base.follow import Follower
from populate_base.followers import iter_followers, make_tails, spool_folder
from populate_base.gap_gauge import GapGauge
from populate_base.quarantine import Quarantine
from populate_base.recovery import recover
from populate_base.settings import PopulateSettings
from populate_base.universe import register_series
from populate_base.upkeep import Upkeep
from populate_base.weight import WeightBudget

log = get_logger()

_RETRY_S = 2.0
_STOP_WITHIN_S = 7.0
_LOOK_S = 0.5

_Result = TypeVar("_Result")


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
    """Waits for the store, the exchange and the lease, then follows the universe's series."""

    def __init__(self, settings: PopulateSettings, store: Store, sources: Sources) -> None:
        self._settings = settings
        self._store = store
        self._sources = sources
        self._followers: list[Follower] = []
        self._problem: str | None = "starting"
        self._failure: FatalError | None = None
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()

    def readiness(self) -> Readiness:
        """Return what `/readyz` asks: the store, and that every series is followed in time."""
        return Readiness({"store": self._check_store, "follow": self._check_follow})

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set; returns within seconds, a unit of work may be left.

        Raises:
            FatalError: a wrong schema, an unknown symbol: what waiting cannot mend.
        """
        self._ended = stop
        fetch_time_ms = self._sources.exchange.fetch_time_ms
        keep_measuring(self._sources.clock, fetch_time_ms, stop, on_error=_log_clock)
        self._start(self._lead, stop)
        stop.wait()
        self._join()
        if self._failure is not None:
            raise self._failure

    def is_working(self) -> bool:
        """Tell whether a unit of work still runs."""
        return any(thread.is_alive() for thread in self._threads)

    def _join(self) -> None:
        deadline_s = time.monotonic() + _STOP_WITHIN_S
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(deadline_s - time.monotonic(), 0))

    def _start(self, work: Callable[[threading.Event], None], stop: threading.Event) -> None:
        # Daemon threads: a hanging download must not keep the process, and a transaction
        # that is cut off leaves nothing behind.
        def guarded() -> None:
            try:
                work(stop)
            except FatalError as error:
                self._failure = error
                self._ended.set()
            except Exception as error:
                # The thread's outermost loop: a process that looks alive and follows nothing
                # would be worse than none.
                log.error("follow_failed", exc_info=error)
                kind = type(error).__name__
                self._failure = FatalError(f"following failed, the log tells how ({kind})")
                self._ended.set()

        context = contextvars.copy_context()  # the log's fields go along
        thread = threading.Thread(target=context.run, args=(guarded,), name="follow", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _lead(self, stop: threading.Event) -> None:
        """Follow whenever this process holds the lease of its universe."""
        lease = self._wait_for(self._make_lease, stop)
        if lease is None:
            return
        lease.start()
        try:
            while not stop.is_set():
                if lease.wait(_LOOK_S):
                    self._follow_while(lease, stop)
                else:
                    self._problem = lease.standing_by
        finally:
            lease.release()

    def _make_lease(self) -> KeptLease:
        self._store.check_schema()
        settings = self._settings
        universe = f"{settings.symbols} {' '.join(map(str, settings.intervals))}"
        digest = hashlib.sha256(universe.encode()).hexdigest()
        return KeptLease(self._store, f"follow-{digest[:16]}")

    def _follow_while(self, lease: KeptLease, stop: threading.Event) -> None:
        """Follow until `stop` is set or another process has the lease."""
        term = threading.Event()
        series = self._wait_for(self._prepare, stop)
        if series is None:
            return
        self._followers = list(
            iter_followers(self._settings, self._store, self._sources, series, term)
        )
        for follower in self._followers:
            self._start(follower.run, term)
        for work in self._make_background_work(series):
            self._start(work, term)
        self._start(partial(self._keep_up, series=series), term)
        self._problem = None
        # A store that is away takes the lease from nobody: klines go on into the spool.
        while not stop.wait(_LOOK_S) and not self._is_ceded(lease):
            pass
        term.set()
        if not stop.is_set():
            log.warning("following_ceded")
            self._join()
            self._followers = []

    def _is_ceded(self, lease: KeptLease) -> bool:
        if lease.is_held:
            return False
        try:
            found = read_lease(self._store, lease.name)
        except RetryableError:
            return False
        return found is not None and found.holder != lease.holder

    def _keep_up(self, term: threading.Event, *, series: Sequence[Series]) -> None:
        """Do each day's upkeep, and follow what a rule selects since today."""
        settings = self._settings

        def follow(fresh: list[Series]) -> None:
            followers = list(
                iter_followers(
                    settings, self._store, self._sources, fresh, term, first=len(self._followers)
                )
            )
            self._followers += followers
            for follower in followers:
                self._start(follower.run, term)
            self._start(self._make_confirmer(fresh).run, term)

        upkeep = Upkeep(
            self._store, self._sources, settings.symbols, settings.intervals, term.is_set
        )
        upkeep.run(term, series, follow)

    def _make_background_work(
        self, series: Sequence[Series]
    ) -> list[Callable[[threading.Event], None]]:
        return [self._make_confirmer(series).run, GapGauge(self._store).run]

    def _make_confirmer(self, series: Sequence[Series]) -> Confirmer:
        settings = self._settings
        return Confirmer(
            self._store,
            self._sources,
            series,
            after_s=settings.confirm_s,
            index_klines=settings.index_klines,
        )

    def _wait_for(self, work: Callable[[], _Result], stop: threading.Event) -> _Result | None:
        """Return what `work` returns once the store and the exchange are there."""
        while not stop.is_set():
            try:
                return work()
            # An answer that can't be true may be true later: a proxy's page, a cut list.
            except (RetryableError, DataError) as error:
                self._problem = error.detail
                log.warning("follow_waits", detail=error.detail)
                stop.wait(_RETRY_S)
        return None

    def _prepare(self) -> list[Series]:
        exchange, settings = self._sources.exchange, self._settings
        now_ms = exchange.fetch_time_ms()
        series = register_series(
            self._store, exchange, settings.symbols, settings.intervals, now_ms
        )
        tails = make_tails(settings, self._store, self._sources)
        recover(self._store, tails, spool_folder(settings), series)
        return series

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
