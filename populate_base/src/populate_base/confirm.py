"""Confirming: what streams told is looked up by REST a while later, and corrected."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from market.errors import DataError, NotFound, RateLimited, RetryableError
from market.gaps import Range
from market.interval import Interval
from market.kline import Kline
from market.log import get_logger
from market.store import Store
from market.store.confirmations import read_confirmed, read_first_streamed, write_confirmed
from market.store.klines import Batch, Source, read_klines, write_klines
from market.store.symbols import Series
from populate_base import metrics
from populate_base.backfill import Sources
from populate_base.causes import Knowledge
from populate_base.ledger import read_extent, settle
from populate_base.plan import PAGE_KLINES
from populate_base.tails import HELD

log = get_logger()

_PAGE_WEIGHT = 2
#: Share of the weight budget that confirming may take where many series are followed.
_BUDGET_SHARE = 0.05
_IDLE_S = 1.0
_LONGEST_PAUSE_S = 60.0


def plan_period_s(series: int, budget_1m: int, after_s: float) -> float:
    """Return the seconds between two looks at one series.

    As often as klines are old enough, unless that would cost more than a small share of the
    weight: then more klines come in each page instead.
    """
    pages_a_second = max(budget_1m, 1) * _BUDGET_SHARE / 60 / _PAGE_WEIGHT
    return max(after_s, series / pages_a_second)


class Confirmer:
    """Confirms the followed series one page at a time, in a thread of its own.

    A kline is looked up `after_s` (the exchange's seconds, at its clock's rate) after it
    closed. Where REST says something else, REST's values replace the stream's, which stay
    as a revision.
    """

    def __init__(
        self,
        store: Store,
        sources: Sources,
        series: Sequence[Series],
        *,
        after_s: float,
        index_klines: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._sources = sources
        self._series = series
        self._after_s = after_s
        self._index_klines = index_klines
        self._monotonic = monotonic
        self._due_s: dict[Series, float] = {}

    def run(self, stop: threading.Event) -> None:
        """Confirm until `stop` is set; what passes by waiting is waited for."""
        failures = 0
        while not stop.wait(_IDLE_S if failures == 0 else min(2.0**failures, _LONGEST_PAUSE_S)):
            try:
                for series in self._iter_due():
                    if stop.is_set():
                        return
                    self._try(series)
                failures = 0
            except RetryableError as error:
                failures += 1
                log.warning("confirming_waits", detail=error.detail)
                if isinstance(error, RateLimited):
                    stop.wait(error.retry_after_s)

    def _iter_due(self) -> Iterator[Series]:
        now_s = self._monotonic()
        period_s = plan_period_s(
            len(self._series), self._sources.exchange.weight.budget, self._after_s
        )
        for one in self._series:
            if self._due_s.get(one, 0.0) <= now_s:
                self._due_s[one] = now_s + period_s
                yield one

    def _try(self, series: Series) -> None:
        try:
            self.confirm(series)
        except (NotFound, DataError) as error:
            # One symbol that is gone, or a page that can't be true, must not end the others.
            log.warning(
                "not_confirmed",
                symbol=series.symbol,
                interval=series.interval.value,
                detail=error.detail,
            )

    def confirm(self, series: Series) -> Range | None:
        """Confirm what is old enough of one series, at most a page; return the range or `None`.

        Raises:
            ExchangeUnavailable, StoreUnavailable: as far as it came stays.
            DataError: REST sent what can't be true.
            NotFound: Binance does not know the symbol.
        """
        span = self._find_unconfirmed(series)
        if span is None:
            return None
        pages = self._sources.exchange.iter_klines(series.symbol, series.interval, span)
        url, klines = next(pages, ("", []))
        reached_ms = span.end_ms
        if len(klines) >= PAGE_KLINES:
            reached_ms = series.interval.add(series.interval.floor(klines[-1].open_time_ms), 1)
        done = Range(span.start_ms, min(reached_ms, span.end_ms))
        self._count_unknown(series, done, klines)
        if klines:
            self._correct(series, done, url, klines)
        self._store.transact(lambda connection: write_confirmed(connection, series, done.end_ms))
        self._show(series, done.end_ms)
        return done

    def _find_unconfirmed(self, series: Series) -> Range | None:
        interval, clock = series.interval, self._sources.clock
        with self._store.read() as connection:
            extent = read_extent(connection, series)
            confirmed_ms = read_confirmed(connection, series)
            if extent is None:
                return None
            # A hole that keeps the watermark back keeps nothing from being confirmed.
            stored = Range(interval.floor(extent[0]), interval.close_of(extent[1]) + 1)
            if confirmed_ms is None:
                first_ms = read_first_streamed(connection, series)
                confirmed_ms = _first_unconfirmed(interval, stored, first_ms)
        self._show(series, confirmed_ms)
        old_ms = clock.now_ms() - int(self._after_s * 1000 * max(clock.rate, 1.0))
        end_ms = min(stored.end_ms, interval.floor(max(old_ms, 0)))
        return Range(confirmed_ms, end_ms) if confirmed_ms < end_ms else None

    def _count_unknown(self, series: Series, span: Range, told: Sequence[Kline]) -> None:
        with self._store.read() as connection:
            stored = read_klines(connection, series, *span, limit=PAGE_KLINES + 1)
        opens = {kline.open_time_ms for kline in told}
        unknown = [kline.open_time_ms for kline in stored if kline.open_time_ms not in opens]
        if unknown:
            metrics.UNKNOWN_TO_REST.inc(len(unknown))
            log.warning("rest_lacks_klines", symbol=series.symbol, opens=unknown[:5])

    def _correct(self, series: Series, span: Range, url: str, told: Sequence[Kline]) -> None:
        now_ms = self._sources.clock.now_ms()
        written = write_klines(
            self._store,
            series,
            told,
            Batch(Source.REST, url, now_ms),
            announce_from_ms=series.interval.add(span.end_ms, -self._index_klines),
        )
        if written.inserted:
            settle(self._store, series, [span], now_ms, Knowledge())
        if written.inserted or written.changed:
            rows = metrics.ROWS.labels(series.symbol, series.interval.value, "rest")
            rows.inc(written.inserted + written.changed)
            metrics.CORRECTED.inc(written.changed)
            log.info(
                "stream_corrected",
                symbol=series.symbol,
                interval=series.interval.value,
                changed=written.changed,
                inserted=written.inserted,
            )

    def _show(self, series: Series, confirmed_ms: int) -> None:
        behind_s = max(self._sources.clock.now_ms() - confirmed_ms, 0) / 1000
        metrics.UNCONFIRMED.labels(series.symbol, series.interval.value).set(behind_s)


def _first_unconfirmed(interval: Interval, stored: Range, first_streamed_ms: int | None) -> int:
    """Return from where on to confirm a series of which that was never told."""
    if first_streamed_ms is None:
        return stored.end_ms  # the archive and REST brought all of it
    # The first that came may have waited for a backfill's end, with others that came later.
    first_ms = interval.add(interval.floor(first_streamed_ms), -HELD - 2)
    return min(max(first_ms, stored.start_ms), stored.end_ms)
