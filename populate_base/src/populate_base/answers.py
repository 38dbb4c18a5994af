"""What the exchange says of a series today, source by source: the other side of an audit."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from market.errors import DataError, ExchangeUnavailable, InvalidParameter, NotFound
from market.gaps import Range, merge_ranges
from market.kline import Kline
from market.store.bulk import KlineLines
from market.store.klines import Batch, Source
from market.store.provenance import StoredFile
from market.store.symbols import Series
from market.times import parse_time_ms
from populate_base.archive import Archive, Download
from populate_base.archive_file import ArchiveFile, Period
from populate_base.archive_rows import read_blocks
from populate_base.archive_zip import iter_blocks
from populate_base.source import KlineSource

_DATE = re.compile(r"-(\d{4}-\d{2})(-\d{2})?\.zip$")
#: Slots that are compared at once.
_SLOTS = 50_000


class Answer(NamedTuple):
    """All that one source has of a range, and the batch it would be stored with."""

    span: Range
    klines: Sequence[Kline]
    batch: Batch


class Published(NamedTuple):
    """The archive's files of a series, each with its ETag; `None` where it lists none."""

    etags: Mapping[ArchiveFile, str] | None

    def etag(self, file: ArchiveFile) -> str | None:
        """Return a file's ETag, `None` where it is not known."""
        return None if self.etags is None else self.etags.get(file)

    def has(self, file: ArchiveFile) -> bool:
        """Tell whether a file may be asked for: it exists, or nobody knows."""
        return file.period.offers(file.interval) and (self.etags is None or file in self.etags)


def fetch_published(archive: Archive, series: Series) -> Published:
    """Return what the archive lists of a series; nothing where it has no listing."""
    etags: dict[ArchiveFile, str] = {}
    try:
        for period in Period:
            folder = ArchiveFile(series.symbol, series.interval, period, 0).path
            prefix = folder[: folder.rindex("/") + 1]
            for entry in archive.iter_objects(prefix):
                file = parse_file_name(series, entry.key)
                if file is not None:
                    etags[file] = entry.etag
    except (DataError, ExchangeUnavailable):
        return Published(None)
    return Published(etags)


def parse_file_name(series: Series, name: str) -> ArchiveFile | None:
    """Return the archive's file of a series that an address or a key ends with, if any."""
    match = _DATE.search(name)
    if match is None:
        return None
    try:
        start_ms = parse_time_ms("date", match[1] + (match[2] or "-01"))
    except InvalidParameter:
        return None
    period = Period.DAILY if match[2] else Period.MONTHLY
    file = ArchiveFile(series.symbol, series.interval, period, start_ms)
    return file if name.endswith(f"/{file.name}") else None


def pick_files(
    series: Series,
    ranges: Iterable[Range],
    published: Published,
    now_ms: int,
    *,
    every: bool = False,
) -> list[ArchiveFile]:
    """Return the published files that cover ranges, ascending.

    That of the day, else that of the month; with `every` both.
    """
    picked: set[ArchiveFile] = set()
    for span in ranges:
        for day_ms in Period.DAILY.grid.iter_opens(
            Period.DAILY.grid.floor(span.start_ms), span.end_ms
        ):
            month_ms = Period.MONTHLY.grid.floor(day_ms)
            files = (
                ArchiveFile(series.symbol, series.interval, Period.DAILY, day_ms),
                ArchiveFile(series.symbol, series.interval, Period.MONTHLY, month_ms),
            )
            chosen = (f for f in files if published.has(f) and f.span.end_ms <= now_ms)
            picked.update(chosen if every else list(chosen)[:1])
    return sorted(picked, key=lambda file: (file.start_ms, file.period))


def iter_file_answers(
    download: Download, file: ArchiveFile, fetched_at_ms: int
) -> Iterator[Answer]:
    """Yield a downloaded file's klines, part by part, which together cover its range.

    Raises:
        DataError: the file is damaged, or holds something else than it should.
    """
    batch = Batch(file.period.source, download.url, fetched_at_ms, download.sha256, download.etag)
    start_ms = file.span.start_ms
    for part in read_blocks(iter_blocks(download.content, file), file, few_bytes=sys.maxsize):
        if isinstance(part.klines, KlineLines):
            raise AssertionError("rows were asked for")
        # Whole slots: what is stored of one may open at another time of it. Several klines
        # of one slot may be in two parts.
        start_ms = min(start_ms, part.klines[0].open_time_ms)
        end_ms = file.interval.close_of(part.klines[-1].open_time_ms) + 1
        yield Answer(Range(start_ms, end_ms), part.klines, batch)
        start_ms = end_ms
    if start_ms < file.span.end_ms:
        yield Answer(Range(start_ms, file.span.end_ms), (), batch)


def cut_answer(answer: Answer, ranges: Iterable[Range]) -> Iterator[Answer]:
    """Yield the parts of an answer that lie in ranges, which are disjoint."""
    for span in ranges:
        part = Range(max(span.start_ms, answer.span.start_ms), min(span.end_ms, answer.span.end_ms))
        if part.start_ms < part.end_ms:
            klines = [k for k in answer.klines if part.start_ms <= k.open_time_ms < part.end_ms]
            yield Answer(part, klines, answer.batch)


def iter_rest_answers(
    source: KlineSource, series: Series, ranges: Iterable[Range], now_ms: int
) -> Iterator[Answer]:
    """Yield what REST has of ranges of closed klines, in parts that are compared at once.

    Nothing is yielded of a symbol that the exchange no longer knows.
    """
    interval = series.interval
    for span in merge_ranges(ranges):
        end_ms = min(span.end_ms, interval.floor(now_ms))
        start_ms = span.start_ms
        while start_ms < end_ms:
            part = Range(start_ms, min(interval.add(interval.floor(start_ms), _SLOTS), end_ms))
            klines: list[Kline] = []
            url = ""
            try:
                for address, page in source.iter_klines(series.symbol, interval, part):
                    url = url or address
                    klines += page
            except NotFound:
                return
            yield Answer(part, klines, Batch(Source.REST, url, now_ms))
            start_ms = part.end_ms


def is_unchanged(stored: StoredFile, etag: str | None) -> bool:
    """Tell whether a stored file is surely what the archive has now, by its ETag."""
    return etag is not None and stored.etag == etag
