"""Backfilling: bring what is missing of a range into the store, from the cheapest sources.

Gathers what is missing, lets `plan` decide, and does the I/O: fetch, load, settle. What a
source turns out to lack is planned anew, until only what no source has is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from market.errors import DataError, ExchangeUnavailable
from market.gaps import Range, merge_ranges, subtract_ranges
from market.kline import Kline
from market.log import get_logger
from market.store import Store
from market.store.klines import Batch, Source
from market.store.symbols import Series
from populate_base.archive_file import ArchiveFile, Period
from populate_base.archive_load import ArchiveLoader
from populate_base.archive_rows import present_ranges
from populate_base.backfill_task import Pace as Pace
from populate_base.backfill_task import SeriesReport as SeriesReport
from populate_base.backfill_task import Sources as Sources
from populate_base.causes import Knowledge
from populate_base.ledger import read_extent, read_unverified
from populate_base.load import settle_patiently, write_patiently
from populate_base.plan import Holdings, Plan, closed_range, common_ranges, plan_sources
from populate_base.progress import ProgressDisplay

log = get_logger()

#: For fewer files the archive is asked one by one: asking for a file costs no more than that.
_LISTED_FROM = 3
#: A price of weight at which any file is cheaper than a page.
_NO_PAGES_MS = 1e12


class Backfill:
    """Brings ranges of series into the store; one at a time, not shared between threads."""

    def __init__(
        self, store: Store, sources: Sources, progress: ProgressDisplay, pace: Pace
    ) -> None:
        self._store = store
        self._sources = sources
        self._progress = progress
        self._pace = pace
        self._loader = ArchiveLoader(store, sources, progress, pace)
        self._lists = True

    def run(self, series: Series, start_ms: int, end_ms: int | None) -> SeriesReport:
        """Bring the closed klines that open in [start_ms, end_ms) into the store.

        Only what is missing is asked for; each file and page is one commit. A file that
        cannot be used is named in the report's warnings and its range left to the next
        source. `end_ms` None means the exchange's now.

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
            report.missing = self._load(report, parts, missing)
            self._progress.finish()
        return report

    def _load(
        self, report: SeriesReport, parts: Sequence[Range], missing: list[Range]
    ) -> list[Range]:
        holdings = Holdings(is_away=self._loader.is_away)
        now_ms = self._sources.clock.now_ms()
        present: list[Range] = []
        while True:
            plan, holdings = self._plan(report.series, missing, holdings, now_ms)
            if not plan.files or self._pace.is_stopped():
                break
            present += self._loader.load(report, plan.files, missing)
            missing = self._settle(report, parts, present=present)
            tried = {*holdings.tried, *plan.files}
            holdings = holdings._replace(tried=tried, is_away=self._loader.is_away)
        if not plan.pages:
            return missing
        asked, paged = self._load_pages(report, plan.pages, missing)
        present = [*present, *paged]
        missing = self._settle(report, parts, present=present)
        files = self._plan_last(report.series, common_ranges(missing, asked), holdings, now_ms)
        if files:
            present += self._loader.load(report, files, missing)
        # Who is stopped, or can't reach the archive, has not heard all there is to say.
        is_heard = not (self._pace.is_stopped() or self._loader.is_away)
        knowledge = Knowledge(tuple(asked), now_ms, is_archive_heard=is_heard)
        return self._settle(report, parts, knowledge, present=present)

    def _plan_last(
        self, series: Series, lacking: Sequence[Range], holdings: Holdings, now_ms: int
    ) -> list[ArchiveFile]:
        """Return the files that may have what REST lacks, where no file was asked yet."""
        unasked = subtract_ranges(lacking, [file.span for file in holdings.tried])
        costs = self._pace.costs._replace(weight_ms=_NO_PAGES_MS)
        holdings = holdings._replace(listed={})
        plan = plan_sources(series.symbol, series.interval, unasked, holdings, now_ms, costs)
        return plan.files

    def _plan(
        self, series: Series, missing: Sequence[Range], holdings: Holdings, now_ms: int
    ) -> tuple[Plan, Holdings]:
        """Return the plan, and what the archive was found to have where that decides."""
        symbol, interval, costs = series.symbol, series.interval, self._pace.costs
        plan = plan_sources(symbol, interval, missing, holdings, now_ms, costs)
        for period in Period:
            wanted = [file for file in plan.files if file.period is period]
            is_new = period not in holdings.listed and self._lists
            if is_new and len(wanted) >= _LISTED_FROM:
                listed = self._list(wanted)
                if listed is not None:
                    holdings = holdings._replace(listed={**holdings.listed, period: listed})
                    plan = plan_sources(symbol, interval, missing, holdings, now_ms, costs)
        return plan, holdings

    def _list(self, wanted: Sequence[ArchiveFile]) -> dict[ArchiveFile, int] | None:
        first, last = wanted[0].path, wanted[-1].path
        folder = first[: first.rindex("/") + 1]
        try:
            found = self._sources.archive.iter_objects(folder, after=first.removesuffix(".zip"))
            sizes = {one.key: one.size for one in takewhile(lambda one: one.key <= last, found)}
        except (DataError, ExchangeUnavailable) as error:
            self._lists = False
            log.warning("archive_not_listed", detail=error.detail)
            return None
        one = wanted[0]
        starts = one.period.grid.iter_opens(one.start_ms, wanted[-1].span.end_ms)
        files = [one._replace(start_ms=start_ms) for start_ms in starts]
        return {file: sizes[file.path] for file in files if file.path in sizes}

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
        self,
        report: SeriesReport,
        parts: Sequence[Range],
        knowledge: Knowledge | None = None,
        *,
        present: Sequence[Range] = (),
    ) -> list[Range]:
        now_ms = self._sources.clock.now_ms()
        missing = settle_patiently(
            self._store,
            report.series,
            parts,
            now_ms,
            knowledge or Knowledge(),
            present=present,
        )
        return common_ranges(missing, [report.span])

    def _hull(self, series: Series, span: Range) -> Range:
        with self._store.read() as connection:
            extent = read_extent(connection, series)
        if extent is None:
            return span
        first_ms, newest_ms = map(series.interval.floor, extent)
        return Range(min(span.start_ms, first_ms), max(span.end_ms, newest_ms))

    def _load_pages(
        self, report: SeriesReport, runs: Sequence[Range], missing: Sequence[Range]
    ) -> tuple[list[Range], list[Range]]:
        """Return the ranges that were asked for, and those that are filled by now."""
        series = report.series
        asked: list[Range] = []
        present: list[Range] = []
        for run in runs:
            pages = self._sources.exchange.iter_klines(series.symbol, series.interval, run)
            for url, klines in pages:
                if self._pace.is_stopped():
                    return asked, merge_ranges(present)
                # Pages reach over near holes: what lies between them is stored already.
                wanted = [kline for kline in klines if _is_in(series, kline, missing)]
                if wanted:
                    batch = Batch(Source.REST, url, self._sources.clock.now_ms())
                    self._write(report, wanted, batch)
                    opens = [kline.open_time_ms for kline in wanted]
                    present += present_ranges(series.interval, opens)
            asked.append(run)
        return asked, merge_ranges(present)

    def _write(self, report: SeriesReport, klines: Sequence[Kline], batch: Batch) -> None:
        written = write_patiently(
            self._store,
            report.series,
            klines,
            batch,
            announce_from_ms=report.announce_from_ms,
        )
        report.inserted += written.inserted
        report.changed += written.changed
        report.batches[batch.source.value] += 1
        self._progress.advance(len(klines), batch.source.value)


def _is_in(series: Series, kline: Kline, ranges: Iterable[Range]) -> bool:
    slot_ms = series.interval.floor(kline.open_time_ms)
    return any(span.start_ms <= slot_ms < span.end_ms for span in ranges)
