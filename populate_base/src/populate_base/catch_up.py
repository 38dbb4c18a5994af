"""Catching up: bring a followed series to the exchange's now, by the cheapest way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from market.errors import ExchangeUnavailable
from market.gaps import Range
from market.store import Store
from market.store.klines import Batch, Source, read_newest_open, write_klines
from market.store.symbols import Series, read_watermark
from populate_base import metrics
from populate_base.backfill import Backfill, Sources
from populate_base.causes import ARCHIVE_DELAY_MS, Knowledge
from populate_base.ledger import settle
from populate_base.plan import PAGE_KLINES

#: What misses no more than so many pages is paged through at once; for more the planner is asked.
_FEW_PAGES = 2


class Wanted(NamedTuple):
    """What is wanted of each series: the oldest open time, and how many are announced."""

    since_ms: int
    index_klines: int


class CatchUp:
    """Catches series up, one at a time; not shared between threads.

    The first time in a process a series is backfilled from `since_ms` on. Later, what its
    watermark lacks is paged through, or nothing is asked where nothing can have closed.
    """

    def __init__(
        self,
        store: Store,
        sources: Sources,
        make_backfill: Callable[[], Backfill],
        wanted: Wanted,
    ) -> None:
        self._store = store
        self._sources = sources
        self._make_backfill = make_backfill
        self._wanted = wanted
        self._backfilled: set[Series] = set()

    def measure_clock(self) -> None:
        """Ask for the exchange's time, so that what closed before now is known to have."""
        with suppress(ExchangeUnavailable):
            self._sources.exchange.fetch_time_ms()

    def run(self, series: Series) -> int:
        """Store what has closed and return the open time of the kline that comes next.

        Raises:
            ExchangeUnavailable, StoreUnavailable: after retries; what was stored stays.
            NotFound: Binance does not know the symbol.
        """
        missing = self._find_missing(series) if series in self._backfilled else None
        if missing is None:
            self._make_backfill().run(series, self._wanted.since_ms, None)
            self._backfilled.add(series)
        elif missing.start_ms < missing.end_ms:
            self._page(series, missing)
        return self.find_end(series)

    def find_end(self, series: Series) -> int:
        """Return the open time that follows the newest stored one, or the oldest wanted one."""
        with self._store.read() as connection:
            newest_ms = read_newest_open(connection, series)
        if newest_ms is None:
            return series.interval.ceil(self._wanted.since_ms)
        return series.interval.close_of(newest_ms) + 1

    def _find_missing(self, series: Series) -> Range | None:
        """Return what may be missing at the end, `None` where REST alone can't settle it."""
        interval = series.interval
        with self._store.read() as connection:
            watermark_ms = read_watermark(connection, series)
            newest_ms = read_newest_open(connection, series)
        if watermark_ms is None or newest_ms is None:
            return None
        # What is stored has closed, whatever a clock that was measured badly says.
        end_ms = max(interval.floor(self._sources.clock.now_ms()), interval.close_of(newest_ms) + 1)
        span = Range(interval.add(watermark_ms, 1), end_ms)
        # What REST lacks of older klines the archive may have: the planner asks both.
        is_old = span.start_ms < self._sources.clock.now_ms() - ARCHIVE_DELAY_MS
        is_little = interval.count(*span) <= _FEW_PAGES * PAGE_KLINES
        return span if is_little and (span.start_ms >= span.end_ms or not is_old) else None

    def _page(self, series: Series, span: Range) -> None:
        clock, index_klines = self._sources.clock, self._wanted.index_klines
        announce_from_ms = series.interval.add(span.end_ms, -index_klines)
        pages = self._sources.exchange.iter_klines(series.symbol, series.interval, span)
        for url, klines in pages:
            batch = Batch(Source.REST, url, clock.now_ms())
            written = write_klines(
                self._store, series, klines, batch, announce_from_ms=announce_from_ms
            )
            rows = metrics.ROWS.labels(series.symbol, series.interval.value, batch.source.value)
            rows.inc(written.inserted + written.changed)
        now_ms = clock.now_ms()
        settle(self._store, series, [span], now_ms, Knowledge(lacking=(span,), now_ms=now_ms))
