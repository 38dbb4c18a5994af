"""Verifying: the store against its own ledger, and against what the exchange says today.

Nothing is changed. `repair` walks the same way and mends what is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from market.errors import DataError, ExchangeUnavailable
from market.gaps import Gap, Range, merge_ranges
from market.interval import Interval
from market.store import Store
from market.store.gap_ledger import read_gaps
from market.store.klines import Batch, Source, read_open_times
from market.store.provenance import (
    StoredFile,
    count_batches,
    read_archive_files,
    read_sourced_klines,
)
from market.store.symbols import Series, read_watermark
from populate_base.answers import (
    Answer,
    Published,
    cut_answer,
    fetch_published,
    is_unchanged,
    iter_file_answers,
    iter_rest_answers,
    parse_file_name,
    pick_files,
)
from populate_base.archive_file import ArchiveFile
from populate_base.archive_rows import iter_parts as iter_file_parts
from populate_base.audit import (
    Comparison,
    Finding,
    Kind,
    check_batches,
    check_ledger,
    check_rows,
    check_slots,
    check_watermark,
    compare,
)
from populate_base.backfill import Sources
from populate_base.ledger import read_extent
from populate_base.sample import Scope, pick_sample

#: Open times looked at in one query, and rows.
_SCAN_SLOTS = 50_000


@dataclass(slots=True)
class SeriesAudit:
    """What was looked at of a series, and what was found.

    Attributes:
        span: the slots looked at, from the first to the newest stored kline at most.
        compared: ranges whose rows were compared with REST and the archive.
        overruled: differences in which the stored row's source is the one believed.
        files: files of the archive that were compared; `files_unchanged` those of which
            the archive's ETag said that they need not be.
    """

    series: Series
    span: Range
    compared: list[Range] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    overruled: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: int = 0
    rows_compared: int = 0
    files: int = 0
    files_unchanged: int = 0


class _FileTask(NamedTuple):
    """A file to read, as it was stored last, and the ranges to compare of it."""

    file: ArchiveFile
    stored: StoredFile | None
    ranges: list[Range]


class Judge:
    """Told of what was compared; this one lets everything be, a repair mends."""

    def on_answer(self, answer: Answer, comparison: Comparison) -> None:
        """A source was compared over a range."""

    def on_file(self, stored: StoredFile | None, batch: Batch, rows: int) -> None:
        """A file was compared as a whole, of so many rows; `stored` is it as it was last."""

    def on_unchanged(self, stored: StoredFile) -> None:
        """The archive still has a stored file as it is."""


class Verifier:
    """Looks at series one after the other; keeps nothing between them."""

    def __init__(self, store: Store, sources: Sources, scope: Scope) -> None:
        self._store = store
        self._sources = sources
        self._scope = scope

    def verify(self, series: Series) -> SeriesAudit:
        """Recount a series and compare its sample; the store is not changed.

        Raises:
            ExchangeUnavailable, StoreUnavailable: after retries.
        """
        now_ms = self._sources.exchange.fetch_time_ms()
        audit = self.recount(series, now_ms)
        if audit.span.start_ms < audit.span.end_ms:
            audit.compared = pick_sample(series, audit.span, self._scope)
            self.compare_all(audit, audit.compared, now_ms, Judge())
        return audit

    def recount(self, series: Series, now_ms: int) -> SeriesAudit:
        """Check a series by itself: ledger, watermark, slots, every row's rules, batches."""
        interval = series.interval
        with self._store.read() as connection:
            extent = read_extent(connection, series)
            gaps = read_gaps(connection, series, None, None)
            watermark_ms = read_watermark(connection, series)
            files = read_archive_files(connection, series)
            counts = count_batches(connection, series)
        if extent is None:
            audit = SeriesAudit(series, Range(0, 0))
            audit.notes.append("nothing is stored")
            return audit
        whole = Range(
            interval.floor(extent.first_open_ms),
            interval.close_of(interval.floor(extent.newest_open_ms)) + 1,
        )
        audit = SeriesAudit(series, self._clip(interval, whole))
        self._scan(audit, gaps, now_ms)
        audit.findings += check_watermark(interval, whole, gaps, watermark_ms)
        most = {
            stored.batch_id: 2 * file.slots
            for stored in files
            if (file := parse_file_name(series, stored.url)) is not None
        }
        audit.findings += check_batches(counts, most)
        return audit

    def _clip(self, interval: Interval, whole: Range) -> Range:
        start_ms = max(whole.start_ms, interval.ceil(self._scope.start_ms or 0))
        end_ms = whole.end_ms
        if self._scope.end_ms is not None:
            end_ms = min(end_ms, interval.ceil(self._scope.end_ms))
        return Range(start_ms, max(start_ms, end_ms))

    def _scan(self, audit: SeriesAudit, gaps: Sequence[Gap], now_ms: int) -> None:
        interval = audit.series.interval
        for part in iter_parts(interval, audit.span):
            with self._store.read() as connection:
                opens = read_open_times(connection, audit.series, *part)
                rows = read_sourced_klines(connection, audit.series, *part)
            audit.rows += len(rows)
            audit.findings += check_ledger(interval, part, opens, gaps)
            audit.findings += check_slots(interval, opens)
            audit.findings += check_rows(interval, rows, Range(0, now_ms))

    def compare_all(
        self,
        audit: SeriesAudit,
        ranges: Sequence[Range],
        now_ms: int,
        judge: Judge,
        *,
        gaps: Sequence[Range] = (),
    ) -> None:
        """Compare ranges with the archive, then with REST, and every stored file's mark.

        `gaps` are looked for in every source. Files that the archive replaced since they
        were stored are read whole, wherever they lie in the span.
        """
        published = fetch_published(self._sources.archive, audit.series)
        if published.etags is None:
            audit.notes.append("the archive could not be listed")
        for task in self._plan_files(audit, ranges, gaps, published, now_ms, judge):
            self._compare_file(audit, task, now_ms, judge)
        asked = [*ranges, *gaps]
        for answer in iter_rest_answers(self._sources.exchange, audit.series, asked, now_ms):
            self._compare_answer(audit, answer, judge)

    def _plan_files(
        self,
        audit: SeriesAudit,
        ranges: Sequence[Range],
        gaps: Sequence[Range],
        published: Published,
        now_ms: int,
        judge: Judge,
    ) -> list[_FileTask]:
        with self._store.read() as connection:
            known = read_archive_files(connection, audit.series)
        stored: dict[ArchiveFile, StoredFile] = {}
        for entry in known:
            file = parse_file_name(audit.series, entry.url)
            if file is not None and _touches(file.span, audit.span):
                stored[file] = entry
        replaced: set[ArchiveFile] = set()
        for file, entry in stored.items():
            if is_unchanged(entry, published.etag(file)):
                audit.files_unchanged += 1
                judge.on_unchanged(entry)
            elif published.has(file):
                replaced.add(file)
            else:
                audit.notes.append(f"the archive has {file.name} no more")
        wanted = {
            *replaced,
            *pick_files(audit.series, ranges, published, now_ms),
            *pick_files(audit.series, gaps, published, now_ms, every=True),
        }
        # Months first: what a day's file says of the same kline is believed.
        ordered = sorted(wanted, key=lambda file: (file.period.value != "monthly", file.start_ms))
        return [
            _FileTask(
                file,
                stored.get(file),
                [audit.span] if file in replaced else merge_ranges([*ranges, *gaps]),
            )
            for file in ordered
        ]

    def _compare_file(self, audit: SeriesAudit, task: _FileTask, now_ms: int, judge: Judge) -> None:
        file, stored, ranges = task
        try:
            download = self._sources.archive.fetch(file)
            if download is None:
                return
            audit.files += 1
            with download.content:
                if stored is not None and stored.sha256 not in (None, download.sha256):
                    values = (str(stored.sha256), download.sha256, stored.url, download.url)
                    audit.findings.append(Finding(Kind.FILE_REPLACED, *file.span, *values))
                # Nothing of a file is believed that turns out to be damaged further on.
                rows = sum(part.rows for part in iter_file_parts(download.content, file))
                for answer in iter_file_answers(download, file, now_ms):
                    for part in cut_answer(answer, ranges):
                        self._compare_answer(audit, part, judge)
            judge.on_file(stored, answer.batch, rows)
        except (DataError, ExchangeUnavailable) as error:
            text = f"{type(error).__name__}: {error.detail}"
            audit.findings.append(Finding(Kind.FILE_UNREADABLE, *file.span, found=text))

    def _compare_answer(self, audit: SeriesAudit, answer: Answer, judge: Judge) -> None:
        with self._store.read() as connection:
            rows = read_sourced_klines(connection, audit.series, *answer.span)
        origin = (
            answer.batch.source.value
            if answer.batch.source is Source.REST
            else answer.batch.url.rsplit("/", 1)[-1]
        )
        comparison = compare(
            audit.series.interval, rows, answer.klines, answer.batch.source, origin
        )
        audit.rows_compared += len(answer.klines)
        audit.findings += comparison.findings
        audit.overruled += comparison.overruled
        judge.on_answer(answer, comparison)


def _touches(one: Range, other: Range) -> bool:
    return one.start_ms < other.end_ms and other.start_ms < one.end_ms


def iter_parts(interval: Interval, span: Range) -> Iterator[Range]:
    """Yield the span in parts that fit into memory."""
    start_ms = span.start_ms
    while start_ms < span.end_ms:
        end_ms = min(interval.add(interval.floor(start_ms), _SCAN_SLOTS), span.end_ms)
        yield Range(start_ms, end_ms)
        start_ms = end_ms
