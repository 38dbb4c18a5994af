"""Loading files of the archive: download, proof and load at once, one commit a file."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from market.errors import DataError, ExchangeUnavailable
from market.gaps import Range, merge_ranges
from market.log import get_logger
from market.store import Store
from market.store.klines import Batch, KlinePart
from populate_base import metrics
from populate_base.archive import Download
from populate_base.archive_file import ArchiveFile
from populate_base.archive_rows import FilePart, clip_part, iter_parts
from populate_base.backfill_task import Pace, SeriesReport, Sources
from populate_base.load import write_parts_patiently
from populate_base.lookahead import iter_ahead, iter_parallel
from populate_base.plan import common_ranges
from populate_base.progress import ProgressDisplay

log = get_logger()

_Fault = DataError | ExchangeUnavailable
_Fetched = Download | _Fault | None


class ArchiveLoader:
    """Brings archive files into the store; one at a time, fetched ahead by a few threads."""

    def __init__(
        self, store: Store, sources: Sources, progress: ProgressDisplay, pace: Pace
    ) -> None:
        self._store = store
        self._archive = sources.archive
        self._clock = sources.clock
        self._progress = progress
        self._pace = pace
        self.is_away = False

    def load(
        self, report: SeriesReport, files: Sequence[ArchiveFile], missing: Sequence[Range]
    ) -> list[Range]:
        """Store what of the files was missing; return the ranges whose slots are now filled.

        What is stored already stays: it may come from a source that is believed more.
        A damaged file is fetched once more; one that stays damaged is named in the report's
        warnings. An archive that does not answer is left out from there on.
        """
        present: list[Range] = []
        fetched = iter_parallel(self._fetch, files, self._pace.downloads, discard=_close)
        with closing(fetched), ThreadPoolExecutor(1, thread_name_prefix="rows") as reader:
            for file, first in zip(files, fetched, strict=False):
                work = _FileWork(file, report, common_ranges(missing, [file.span]), reader)
                outcome = self._try(work, first)
                if isinstance(outcome, DataError):
                    # A transfer may have been cut, or the file just been replaced.
                    outcome = self._try(work, self._fetch(file))
                if isinstance(outcome, list):
                    present += outcome
                else:
                    self._warn(report, outcome)
                if self._pace.is_stopped() or self.is_away:
                    break
        return merge_ranges(present)

    def _fetch(self, file: ArchiveFile) -> _Fetched:
        try:
            return self._archive.fetch(file)
        except (DataError, ExchangeUnavailable) as error:
            return error

    def _try(self, work: _FileWork, fetched: _Fetched) -> list[Range] | _Fault:
        if fetched is None:
            return []
        if not isinstance(fetched, Download):
            return fetched
        with fetched.content:
            try:
                return self._store_file(work, fetched)
            except DataError as error:
                self._archive.reject(fetched, work.file, error.detail)
                return error

    def _store_file(self, work: _FileWork, download: Download) -> list[Range]:
        report, source = work.report, work.file.period.source
        batch = Batch(source, download.url, self._clock.now_ms(), download.sha256, download.etag)
        parts = _Parts(work, download, self._progress)
        try:
            written = write_parts_patiently(
                self._store, report.series, parts.read, batch, report.announce_from_ms
            )
        except BaseException:
            parts.forget()
            raise
        finally:
            parts.close()
        report.inserted += written.inserted
        report.changed += written.changed
        report.batches[source.value] += 1
        if parts.rows < work.file.slots:
            log.info("archive_file_short", file=work.file.name, klines=parts.rows)
        return parts.present

    def _warn(self, report: SeriesReport, error: _Fault) -> None:
        metrics.WARNINGS.inc()
        if isinstance(error, ExchangeUnavailable):
            self.is_away = True
            text = f"{error.detail}; the archive is left out from here on"
        else:
            text = f"{type(error).__name__}: {error.detail}; asking the next source"
        log.warning("archive_file_not_used", detail=text)
        report.warnings.append(text)


@dataclass(frozen=True, slots=True)
class _FileWork:
    """A file to be stored, for which report, what of it, and the thread that reads it."""

    file: ArchiveFile
    report: SeriesReport
    missing: Sequence[Range]
    reader: Executor


class _Parts:
    """The parts of a download, read anew for each attempt to store them."""

    def __init__(self, work: _FileWork, download: Download, progress: ProgressDisplay) -> None:
        self._work = work
        self._download = download
        self._progress = progress
        self._ahead: Generator[FilePart, None, None] | None = None
        self.rows = 0
        self.present: list[Range] = []

    def read(self) -> Iterator[KlinePart]:
        """Yield the klines, part by part; what an attempt before yielded is forgotten."""
        self.close()
        self.forget()
        parts = iter_parts(self._download.content, self._work.file)
        self._ahead = iter_ahead(parts, self._work.reader)
        for whole in self._ahead:
            self._count(whole.rows)
            for hole in self._work.missing:
                part = clip_part(whole, self._work.file.interval, hole)
                if part is not None:
                    self.present += part.present
                    yield part.klines

    def close(self) -> None:
        """Let go of the download."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def forget(self) -> None:
        """Take back what was told of klines that were not stored after all."""
        self.present = []
        self._count(-self.rows)

    def _count(self, rows: int) -> None:
        self.rows += rows
        if rows:
            self._progress.advance(rows, self._work.file.period.source.value)


def _close(fetched: _Fetched) -> None:
    if isinstance(fetched, Download):
        fetched.content.close()
