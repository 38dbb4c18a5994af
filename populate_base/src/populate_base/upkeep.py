"""What has to be done once a day beside following: symbols, files, causes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from market.errors import DataError, NotFound, RetryableError
from market.interval import DAY_MS, Interval
from market.log import get_logger
from market.selection import SymbolSelection
from market.store import Store
from market.store.provenance import read_archive_files
from market.store.symbols import Series
from populate_base.backfill import Sources
from populate_base.refine import refine_outages
from populate_base.repair import Repairer
from populate_base.sample import Scope
from populate_base.universe import register_series

log = get_logger()

#: A file of the archive is looked at again after so long, in the exchange's time.
CHECK_EVERY_MS = 30 * DAY_MS
#: Seconds between two looks whether a new day has begun.
_LOOK_S = 60.0


class Upkeep:
    """Does each day's upkeep once; not shared between threads.

    Every part of it may fail for a day without harm: it is logged, and done the next day.
    """

    def __init__(
        self,
        store: Store,
        sources: Sources,
        wanted: SymbolSelection,
        intervals: Sequence[Interval],
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._sources = sources
        self._wanted = wanted
        self._intervals = intervals
        self._is_stopped = is_stopped
        self._done_day: int | None = None

    def run(
        self,
        stop: threading.Event,
        followed: Iterable[Series],
        follow: Callable[[list[Series]], None],
    ) -> None:
        """Do each day's upkeep until `stop` is set; hand new series to `follow`."""
        known = set(followed)
        while not stop.wait(_LOOK_S):
            try:
                wanted = self.run_due(self._sources.clock.now_ms())
            except (RetryableError, NotFound, DataError) as error:
                log.warning("upkeep_waits", detail=error.detail)
                continue
            fresh = [one for one in wanted or () if one not in known]
            if fresh and not stop.is_set():
                log.info("symbols_added", symbols=sorted({one.symbol for one in fresh}))
                known.update(fresh)
                follow(fresh)

    def run_due(self, now_ms: int) -> list[Series] | None:
        """Do the day's upkeep where it was not done yet, by the exchange's time.

        Returns:
            Every series that is wanted now, those of symbols that a rule selects since
            today among them; `None` where the day was done.

        Raises:
            RetryableError: the exchange or the store is away: call again.
            NotFound: no symbol is left to follow.
        """
        day = now_ms // DAY_MS
        if day == self._done_day:
            return None
        series = register_series(
            self._store, self._sources.exchange, self._wanted, self._intervals, now_ms
        )
        for one in series:
            if self._is_stopped():
                return series
            self._restate(one, now_ms)
        refine_outages(self._store, now_ms, venue=self._sources.exchange.venue)
        self._done_day = day
        return series

    def _restate(self, series: Series, now_ms: int) -> None:
        with self._store.read() as connection:
            files = read_archive_files(connection, series)
        if all(file.checked_ms > now_ms - CHECK_EVERY_MS for file in files):
            return
        try:
            done = Repairer(self._store, self._sources, Scope()).restate(series)
        except (RetryableError, DataError) as error:
            log.warning("files_not_checked", symbol=series.symbol, detail=error.detail)
            return
        log.info(
            "files_checked",
            symbol=series.symbol,
            interval=series.interval.value,
            unchanged=done.audit.files_unchanged,
            restated=len(done.files_restated),
            replaced=done.replaced,
            notes=done.audit.notes,
        )
