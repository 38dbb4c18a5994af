"""Importing: klines of a file into the store, checked as a whole before the first is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from market.errors import DataError
from market.gaps import Range, merge_ranges, subtract_ranges
from market.kline import Kline, is_irregular
from market.store import Store
from market.store.kline_slots import plan_moves
from market.store.klines import Batch, Source, read_klines, read_newest_open
from market.store.symbols import Series
from populate_base.causes import Knowledge
from populate_base.file_klines import Rules, Tally, iter_klines
from populate_base.file_rows import iter_rows
from populate_base.ledger import read_extent, read_unverified
from populate_base.load import settle_patiently, write_patiently

_CHUNK = 20_000


@dataclass(slots=True)
class ImportReport:
    """What an import found and did.

    Attributes:
        klines: in the file, `span` the slots from its first to its last.
        same: stored before with these values.
        differing: open times of klines that were stored with other values; they were
            replaced (the old values are kept as revisions) or, unless asked, left alone.
        missing: what is still missing of the span.
    """

    name: str
    sha256: str
    klines: int
    irregular: int
    span: Range
    tally: Tally
    inserted: int = 0
    same: int = 0
    replaced: int = 0
    differing: list[int] = field(default_factory=list)
    missing: list[Range] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Importer:
    """Imports files of klines into a store.

    Attributes:
        rules: what is taken; see `file_klines.Rules`.
        replace: whether stored klines of other values are replaced.
        index_klines: newest klines of a series that are announced for Elasticsearch.
    """

    store: Store
    rules: Rules
    replace: bool = False
    index_klines: int = 1000

    def run(self, series: Series, path: Path) -> ImportReport:
        """Bring a file's klines into a series. Running it again changes nothing.

        Raises:
            NotFound, InvalidParameter, DataError: the file is not there, of no known format,
                or holds a row that is not a kline; nothing was written.
            StoreUnavailable: the store stayed away; what was written stays.
        """
        report = self._survey(series, path)
        parts = self._unverified(series, report.span)
        self._settle(series, parts)
        batch = Batch(Source.IMPORT, f"file:{path.name}", self.rules.now_ms, report.sha256)
        announce_from_ms = self._announce_from_ms(series, report.span)
        klines = iter_klines(iter_rows(path), self.rules, Tally(), path.name)
        while chunk := list(islice(klines, _CHUNK)):
            self._write(series, chunk, batch, report, announce_from_ms)
        missing = self._settle(series, merge_ranges([*parts, report.span]))
        report.missing = subtract_ranges(missing, subtract_ranges(missing, [report.span]))
        return report

    def _survey(self, series: Series, path: Path) -> ImportReport:
        tally = Tally()
        first_ms, last_ms, klines, irregular = 0, 0, 0, 0
        for kline in iter_klines(iter_rows(path), self.rules, tally, path.name):
            if not klines:
                first_ms = kline.open_time_ms
            klines += 1
            irregular += is_irregular(kline, series.interval)
            last_ms = kline.open_time_ms
        if not klines:
            raise DataError(f"{path.name} holds no closed kline")
        if 2 * irregular > klines:
            raise DataError(
                f"{path.name}: {irregular} of {klines} klines do not fit the grid of"
                f" {series.interval}: they are of another interval"
            )
        interval = series.interval
        span = Range(interval.floor(first_ms), interval.add(interval.floor(last_ms), 1))
        return ImportReport(path.name, _digest(path), klines, irregular, span, tally)

    def _unverified(self, series: Series, span: Range) -> list[Range]:
        # As for a backfill: what lies between the file and what is stored is known to be
        # missing before anything is written, whatever happens to this process.
        with self.store.read() as connection:
            extent = read_extent(connection, series)
        if extent is not None:
            first_ms, newest_ms = map(series.interval.floor, extent)
            span = Range(min(span.start_ms, first_ms), max(span.end_ms, newest_ms))
        return read_unverified(self.store, series, span)

    def _settle(self, series: Series, parts: Sequence[Range]) -> list[Range]:
        return settle_patiently(self.store, series, parts, self.rules.now_ms, Knowledge())

    def _announce_from_ms(self, series: Series, span: Range) -> int:
        with self.store.read() as connection:
            newest_ms = read_newest_open(connection, series) or 0
        interval = series.interval
        return interval.add(max(interval.floor(newest_ms), span.end_ms), -self.index_klines)

    def _write(
        self,
        series: Series,
        chunk: Sequence[Kline],
        batch: Batch,
        report: ImportReport,
        announce_from_ms: int,
    ) -> None:
        stored = self._stored(series, chunk)
        opens = [kline.open_time_ms for kline in chunk]
        # What opens at another time of its slot than the stored kline differs from it.
        for move in plan_moves(series.interval, list(stored), opens):
            stored[move.to_ms] = stored[move.from_ms]
        fresh = [kline for kline in chunk if kline.open_time_ms not in stored]
        other = [
            kline
            for kline in chunk
            if kline.open_time_ms in stored and stored[kline.open_time_ms][:-1] != kline[:-1]
        ]
        report.same += len(chunk) - len(fresh) - len(other)
        report.differing += [kline.open_time_ms for kline in other]
        wanted = sorted([*fresh, *other]) if self.replace else fresh
        if wanted:
            written = write_patiently(
                self.store,
                series,
                wanted,
                batch,
                announce_from_ms=announce_from_ms,
            )
            report.inserted += written.inserted
            report.replaced += written.changed

    def _stored(self, series: Series, chunk: Sequence[Kline]) -> dict[int, Kline]:
        start_ms = series.interval.floor(chunk[0].open_time_ms)
        end_ms = series.interval.close_of(chunk[-1].open_time_ms) + 1
        with self.store.read() as connection:
            # Off-grid klines may lie between the file's: more than its own may be stored.
            limit = series.interval.count(start_ms, end_ms) + len(chunk)
            found = read_klines(connection, series, start_ms, end_ms, limit)
        return {kline.open_time_ms: kline for kline in found}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def import_json(report: ImportReport, series: Series) -> dict[str, object]:
    """Return a report as JSON values."""
    return {
        "symbol": series.symbol,
        "interval": series.interval.value,
        "file": report.name,
        "sha256": report.sha256,
        "start_ms": report.span.start_ms,
        "end_ms": report.span.end_ms,
        "klines": report.klines,
        "inserted": report.inserted,
        "same": report.same,
        "replaced": report.replaced,
        "differing": report.differing,
        "irregular": report.irregular,
        "repeated": report.tally.repeated,
        "superseded": report.tally.superseded,
        "rounded": report.tally.rounded,
        "unfinished": report.tally.unfinished,
        "missing": [hole._asdict() for hole in report.missing],
    }


def render_import(report: ImportReport, series: Series) -> Iterator[str]:
    """Yield a report's lines for people."""
    yield (
        f"{series.symbol} {series.interval}: {report.klines:,} klines in {report.name},"
        f" {report.inserted:,} new, {report.same:,} stored before, {report.replaced:,} replaced"
    )
    kept = len(report.differing) - report.replaced
    if kept:
        yield f"{kept:,} klines have other values in the store; --replace would take the file's"
    counted = {
        "rows were repeated": report.tally.repeated,
        "rows were earlier states of a kline": report.tally.superseded,
        "rows had numbers brought to eight decimals": report.tally.rounded,
        "rows were not closed yet and left out": report.tally.unfinished,
        "klines are off the grid and kept so": report.irregular,
    }
    for words, count in counted.items():
        if count:
            yield f"{count:,} {words}"
    if report.missing:
        slots = sum(series.interval.count(*hole) for hole in report.missing)
        yield f"{slots:,} klines are missing within it, in {len(report.missing)} gaps"
