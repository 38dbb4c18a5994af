"""Klines in memory: a calendar month of a symbol and interval at a time, made on first use."""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from collections.abc import Iterator

from binance_simulator.catalogue import ArchiveFile, Catalogue, Segment
from binance_simulator.columns import Columns, pack, parse_csv
from binance_simulator.faults.rows import View, apply_view, narrow
from binance_simulator.grid import Grid
from market.aggregation import iter_aggregated
from market.errors import DataError
from market.interval import Interval
from market.kline import Kline

#: Bytes of klines kept in memory; the least recently used months go first.
CACHE_BYTES = 256 * 1024 * 1024


class Months:
    """The months of every series, from files, or from the next lower interval with files."""

    def __init__(self, catalogue: Catalogue, cache_bytes: int = CACHE_BYTES) -> None:
        self._catalogue = catalogue
        self._cache_bytes = cache_bytes
        self._months: OrderedDict[tuple[str, Grid, int, View], Columns] = OrderedDict()
        self.held_bytes = 0

    def read(self, symbol: str, grid: Grid, month_ms: int, view: View = ()) -> Columns:
        """Return the klines whose slots open in the month that begins at `month_ms`.

        `view` is how a source tells them: without one, as they are.

        Raises:
            DataError: a file of them is damaged.
        """
        symbol, view = self._catalogue.origin(symbol), narrow(view, grid.interval)
        key = (symbol, grid, month_ms, view)
        columns = self._months.get(key)
        if columns is not None:
            self._months.move_to_end(key)
            return columns
        if view:
            truth = self.read(symbol, grid, month_ms)
            columns = pack(sorted(apply_view(view, truth.klines(0, len(truth.opens)))))
        else:
            columns = pack(sorted(self._build(symbol, grid, month_ms)))
        self._months[key] = columns
        self.held_bytes += columns.size
        while self.held_bytes > self._cache_bytes and len(self._months) > 1:
            self.held_bytes -= self._months.popitem(last=False)[1].size
        return columns

    def finer(self, symbol: str, grid: Grid) -> list[Interval]:
        """Return the intervals with files that the grid's klines can be made of, highest first."""
        native = self._catalogue.native_intervals(symbol)
        return [interval for interval in native if grid.is_made_of(interval)]

    def _build(self, symbol: str, grid: Grid, month_ms: int) -> Iterator[Kline]:
        end_ms = Interval.MO1.add(month_ms, 1)
        native: list[Segment] = []
        if not grid.is_moved:
            native = self._catalogue.within(symbol, grid.interval, month_ms, end_ms)
        for segment in native:
            span = range(max(segment.start_ms, month_ms), min(segment.end_ms, end_ms))
            unique = {r.open_time_ms: r for r in read_file(segment.file) if r.open_time_ms in span}
            yield from unique.values()
        finer = self.finer(symbol, grid)
        if finer:
            yield from self._make(symbol, grid, _holes(native, month_ms, end_ms), finer)

    def _make(
        self, symbol: str, grid: Grid, holes: list[tuple[int, int]], finer: list[Interval]
    ) -> Iterator[Kline]:
        """Make the slots that open in holes and are covered by files of one lower interval."""
        for start_ms, end_ms in holes:
            open_ms = grid.floor(start_ms)
            open_ms = open_ms if open_ms == start_ms else grid.next(open_ms)
            wanted: dict[Interval, list[int]] = {}
            while open_ms < end_ms:
                next_ms = grid.next(open_ms)
                for interval in finer:
                    if self._catalogue.covers(symbol, interval, open_ms, next_ms):
                        wanted.setdefault(interval, []).append(open_ms)
                        break
                open_ms = next_ms
            for interval, opens in wanted.items():
                slots = set(opens)
                last_ms = grid.next(opens[-1]) - 1
                rows = self._rows(symbol, Grid(interval), opens[0], last_ms)
                members = (r for r in rows if grid.floor(r.open_time_ms) in slots)
                yield from iter_aggregated(members, interval, grid)

    def _rows(self, symbol: str, grid: Grid, start_ms: int, last_ms: int) -> Iterator[Kline]:
        for month_ms in iter_months(start_ms, last_ms):
            columns = self.read(symbol, grid, month_ms)
            yield from columns.klines(columns.position(start_ms), columns.position(last_ms + 1))


def read_file(file: ArchiveFile) -> list[Kline]:
    """Return the klines of a zip.

    Raises:
        DataError: the file is not what its name says.
    """
    try:
        with zipfile.ZipFile(file.path) as archive:
            text = archive.read(archive.namelist()[0]).decode("ascii")
    except (OSError, zipfile.BadZipFile, IndexError, UnicodeDecodeError) as error:
        raise DataError(f"{file.path} is not a readable zip of klines: {error}") from error
    return list(parse_csv(text, str(file.path)))


def month_of(time_ms: int) -> int:
    """Return the beginning of the calendar month that holds `time_ms`."""
    return Interval.MO1.floor(time_ms)


def iter_months(start_ms: int, last_ms: int) -> Iterator[int]:
    """Yield the beginnings of the months from that of `start_ms` to that of `last_ms`."""
    return Interval.MO1.iter_opens(month_of(start_ms), last_ms + 1)


def _holes(segments: list[Segment], start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """The parts of [start_ms, end_ms) that no segment answers for."""
    holes: list[tuple[int, int]] = []
    for segment in segments:
        if segment.start_ms > start_ms:
            holes.append((start_ms, segment.start_ms))
        start_ms = max(start_ms, segment.end_ms)
    return [*holes, (start_ms, end_ms)] if start_ms < end_ms else holes
