"""Backfilling: bring what is missing of a range into the store, level by level.

Gathers what is missing, lets `plan` decide, and does the I/O: fetch, load, settle.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from market.clock import ExchangeClock
from market.errors import DataError, ExchangeUnavailable
from market.gaps import Range, subtract_ranges
from market.kline import Kline
from market.log import get_logger
from market.store import Store
from market.store.klines import Batch, Source
from market.store.symbols import Series
from populate_base import metrics
from populate_base.archive import Archive, Download
from populate_base.archive_file import ArchiveFile, Period
from populate_base.causes import Knowledge
from populate_base.exchange import Exchange
from populate_base.ledger import read_extent, read_unverified
from populate_base.load import settle_patiently, write_patiently
from populate_base.plan import closed_range, common_ranges, plan_files, plan_pages
from populate_base.progress import ProgressDisplay

log = get_logger()

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(slots=True)
class SeriesReport:
    """What a backfill of one series did.

    Attributes:
        span: the closed slots that were wanted.
        batches: files and pages stored, by source.
        missing: what is still missing of the span and could come later.
        announce_from_ms: klines from here on are among the newest of the series.
    """

    series: Series
    span: Range
    announce_from_ms: int = 0
    inserted: int = 0
    changed: int = 0
    batches: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    missing: list[Range] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where klines come from, and the clock that says which have closed."""

    exchange: Exchange
    archive: Archive
    clock: ExchangeClock


@dataclass(frozen=True, slots=True)
class Pace:
    """How a backfill works: files at once, klines announced, and whether to stop."""

    downloads: int = 4
    index_klines: int = 1000
    is_stopped: Callable[[], bool] = lambda: False


class Backfill:
    """Brings ranges of series into the store; one at a time, not shared between threads."""

    def __init__(
        self, store: Store, sources: Sources, progress: ProgressDisplay, pace: Pace
    ) -> None:
        self._store = store
        self._sources = sources
        self._progress = progress
        self._pace = pace
        self._archive_away = False

    def run(self, series: Series, start_ms: int, end_ms: int | None) -> SeriesReport:
        """Bring the closed klines that open in [start_ms, end_ms) into the store.

        Only what is missing is asked for; each file and page is one commit. A file that
        cannot be used is named in the report's warnings and its range left to the next
        level. `end_ms` None means the exchange's now.

        Raises:
            ExchangeUnavailable, StoreUnavailable: after retries; what was stored stays.
            NotFound: Binance does not know the symbol.
        """
        now_ms = self._sources.exchange.fetch_time_ms()
        span = closed_range(series.interval, start_ms, end_ms, now_ms)
        report = SeriesReport(series, span)
        if not read_unverified(self._store, series, span):
            return report
        # Said before anything is loaded: what lies between this range and what is stored is
        # then known to be missing, whatever happens to this process.
        parts = read_unverified(self._store, series, self._hull(series, span))
        missing = self._mark_unlisted(report, parts, self._settle(report, parts))
        if missing:
            self._progress.start(series, sum(series.interval.count(*hole) for hole in missing))
            report.missing = self._load(report, parts, missing, now_ms)
            self._progress.finish()
        return report

    def _load(
        self, report: SeriesReport, parts: Sequence[Range], missing: list[Range], now_ms: int
    ) -> list[Range]:
        series = report.series
        for period in (Period.MONTHLY, Period.DAILY):
            files = plan_files(series.symbol, series.interval, period, missing, now_ms)
            if files and not self._archive_away:
                self._load_files(report, files, missing)
                missing = self._settle(report, parts)
        if not missing:
            return []
        asked = self._load_pages(report, plan_pages(series.interval, missing), missing)
        return self._settle(report, parts, Knowledge(lacking=tuple(asked), now_ms=now_ms))

    def _mark_unlisted(
        self, report: SeriesReport, parts: Sequence[Range], missing: list[Range]
    ) -> list[Range]:
        series = report.series
        with self._store.read() as connection:
            extent = read_extent(connection, series)
        newest_ms = report.span.end_ms
        if extent is not None:
            newest_ms = max(newest_ms, series.interval.floor(extent.newest_open_ms))
        report.announce_from_ms = series.interval.add(newest_ms, -self._pace.index_klines)
        if not missing or (extent is not None and missing[0].start_ms > extent.first_open_ms):
            return missing
        first_ms = self._sources.exchange.fetch_first_open(series.symbol, series.interval)
        if first_ms is None:
            report.warnings.append(f"{series.symbol} has no {series.interval} kline yet")
            return []
        return self._settle(report, parts, Knowledge(first_ever_ms=series.interval.floor(first_ms)))

    def _settle(
        self, report: SeriesReport, parts: Sequence[Range], knowledge: Knowledge | None = None
    ) -> list[Range]:
        now_ms = self._sources.clock.now_ms()
        missing = settle_patiently(
            self._store, report.series, parts, now_ms, knowledge or Knowledge()
        )
        return common_ranges(missing, [report.span])

    def _hull(self, series: Series, span: Range) -> Range:
        with self._store.read() as connection:
            extent = read_extent(connection, series)
        if extent is None:
            return span
        first_ms, newest_ms = map(series.interval.floor, extent)
        return Range(min(span.start_ms, first_ms), max(span.end_ms, newest_ms))

    def _load_files(
        self, report: SeriesReport, files: Sequence[ArchiveFile], missing: Sequence[Range]
    ) -> None:
        fetched = iter_parallel(self._fetch_file, files, self._pace.downloads)
        for file, result in zip(files, fetched, strict=False):
            if isinstance(result, Download):
                batch = Batch(
                    file.period.source, result.url, self._sources.clock.now_ms(), result.sha256
                )
                is_empty = not subtract_ranges([file.span], missing)
                self._write(report, result.klines, batch, known_empty=is_empty)
            elif result is not None:
                self._warn(report, result)
            if self._pace.is_stopped() or self._archive_away:
                fetched.close()
                return

    def _fetch_file(self, file: ArchiveFile) -> Download | DataError | ExchangeUnavailable | None:
        try:
            return self._sources.archive.fetch(file)
        except (DataError, ExchangeUnavailable) as error:
            return error

    def _warn(self, report: SeriesReport, error: DataError | ExchangeUnavailable) -> None:
        metrics.WARNINGS.inc()
        if isinstance(error, ExchangeUnavailable):
            self._archive_away = True
            text = f"{error.detail}; the archive is left out from here on"
        else:
            text = f"{type(error).__name__}: {error.detail}; asking the next source"
        log.warning("archive_file_not_used", detail=text)
        report.warnings.append(text)

    def _load_pages(
        self, report: SeriesReport, runs: Sequence[Range], missing: Sequence[Range]
    ) -> list[Range]:
        series = report.series
        asked: list[Range] = []
        for run in runs:
            pages = self._sources.exchange.iter_klines(series.symbol, series.interval, run)
            for url, klines in pages:
                if self._pace.is_stopped():
                    return asked
                # Pages reach over near holes: what lies between them is stored already.
                wanted = [kline for kline in klines if _is_in(series, kline, missing)]
                batch = Batch(Source.REST, url, self._sources.clock.now_ms())
                self._write(report, wanted, batch, known_empty=True)
            asked.append(run)
        return asked

    def _write(
        self, report: SeriesReport, klines: Sequence[Kline], batch: Batch, *, known_empty: bool
    ) -> None:
        if not klines:
            return
        written = write_patiently(
            self._store,
            report.series,
            klines,
            batch,
            announce_from_ms=report.announce_from_ms,
            known_empty=known_empty,
        )
        report.inserted += written.inserted
        report.changed += written.changed
        report.batches[batch.source.value] += 1
        self._progress.advance(len(klines), batch.source.value)


def _is_in(series: Series, kline: Kline, ranges: Iterable[Range]) -> bool:
    slot_ms = series.interval.floor(kline.open_time_ms)
    return any(span.start_ms <= slot_ms < span.end_ms for span in ranges)


def iter_parallel(
    work: Callable[[_Item], _Result], items: Sequence[_Item], workers: int
) -> Generator[_Result, None, None]:
    """Yield the results in the items' order; at most `workers` + 1 are held at a time."""
    with ThreadPoolExecutor(workers, thread_name_prefix="download") as pool:
        pending: deque[Future[_Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
