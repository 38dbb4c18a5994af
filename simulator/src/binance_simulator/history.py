"""The klines an exchange knows whose clock stands at `now_ms`: pages, closes, the open kline."""

from __future__ import annotations

from typing import NamedTuple

from binance_simulator.catalogue import Catalogue
from binance_simulator.columns import Columns
from binance_simulator.faults.rows import View
from binance_simulator.grid import Grid
from binance_simulator.months import CACHE_BYTES, Months, iter_months, month_of, read_file
from market.aggregation import combine
from market.kline import Kline


class Part(NamedTuple):
    """Rows [start, stop) of one month's columns."""

    columns: Columns
    start: int
    stop: int


class Page(NamedTuple):
    """What a request is answered with, ascending; `open` is the unfinished kline, if asked for."""

    parts: list[Part]
    open: Kline | None

    def klines(self) -> list[Kline]:
        """Return the rows."""
        rows = [row for part in self.parts for row in part.columns.klines(part.start, part.stop)]
        return rows if self.open is None else [*rows, self.open]


class Query(NamedTuple):
    """Which klines are wanted: open times in [start_ms, end_ms], both inclusive or absent.

    With a start, the oldest `limit` of them; else the newest. `view` is how the source that
    is asked tells them.
    """

    symbol: str
    grid: Grid
    start_ms: int | None = None
    end_ms: int | None = None
    limit: int = 500
    view: View = ()


class History:
    """Answers queries from a catalogue of files."""

    def __init__(self, catalogue: Catalogue, cache_bytes: int = CACHE_BYTES) -> None:
        self._catalogue = catalogue
        self._months = Months(catalogue, cache_bytes)

    @property
    def held_bytes(self) -> int:
        """Bytes of klines in memory."""
        return self._months.held_bytes

    def page(self, query: Query, now_ms: int) -> Page:
        """Return the klines a query asks for, of which only those known at `now_ms`."""
        span = self._span(query)
        newest_ms = now_ms if query.end_ms is None else min(query.end_ms, now_ms)
        if span is None or newest_ms < 0:
            return Page([], None)
        unfinished = self.unfinished(query.symbol, query.grid, now_ms, query.view)
        first_ms = query.start_ms or 0
        if unfinished and not first_ms <= unfinished.open_time_ms <= newest_ms:
            unfinished = None
        oldest_ms, last_ms = max(first_ms, span[0]), min(newest_ms, span[1])
        months = list(iter_months(oldest_ms, last_ms))
        if query.start_ms is None:
            months.reverse()
        # Backwards, the unfinished kline is the newest and so comes first.
        left = query.limit - (query.start_ms is None and unfinished is not None)
        parts: list[Part] = []
        for month_ms in months:
            if left <= 0:
                break
            columns = self._months.read(query.symbol, query.grid, month_ms, query.view)
            start = columns.position(oldest_ms)
            stop = min(columns.position(last_ms + 1), _closed(columns, now_ms))
            if stop <= start:
                continue
            if query.start_ms is None:
                start = max(start, stop - left)
            else:
                stop = min(stop, start + left)
            parts.append(Part(columns, start, stop))
            left -= stop - start
        if query.start_ms is None:
            parts.reverse()
        elif left <= 0:
            unfinished = None
        return Page(parts, unfinished)

    def closed_between(
        self, symbol: str, grid: Grid, from_ms: int, to_ms: int, view: View = ()
    ) -> list[Kline]:
        """Return the klines whose close time is in [from_ms, to_ms), at most 1000, ascending."""
        since_ms = grid.floor(max(from_ms - 1, 0)) - grid.interval.typical_ms
        page = self.page(Query(symbol, grid, since_ms, None, 1000, view), to_ms)
        closed = page.klines()[: -1 if page.open else None]
        return [kline for kline in closed if kline.close_time_ms >= from_ms]

    def unfinished(self, symbol: str, grid: Grid, now_ms: int, view: View = ()) -> Kline | None:
        """Return the kline that is open at `now_ms`, from what had happened by then.

        Where klines of a lower interval are there it is made of those that were closed, and of
        the lower interval's own unfinished one; else it stands at its open price.
        """
        columns = self._months.read(symbol, grid, month_of(grid.floor(now_ms)), view)
        last = columns.position(now_ms + 1) - 1
        whole = None
        if last >= 0 and columns.closes[last] >= now_ms:
            whole = columns.klines(last, last + 1)[0]
        open_ms = whole.open_time_ms if whole else grid.floor(now_ms)
        close_ms = whole.close_time_ms if whole else grid.next(open_ms) - 1
        for finer in self._months.finer(symbol, grid):
            if self._catalogue.covers(symbol, finer, open_ms, now_ms + 1):
                known = self._known(symbol, Grid(finer), open_ms, now_ms, view)
                return combine(open_ms, close_ms, known) if known else None
        return flat(whole) if whole else None

    def newest_close(self) -> int:
        """Return the newest close time of all files."""
        newest = 0
        last = [segments[-1] for segments in self._catalogue.segments.values()]
        for segment in sorted(last, key=lambda segment: -segment.end_ms):
            if segment.end_ms - 1 <= newest:
                break
            rows = read_file(segment.file)
            newest = max([newest, *(row.close_time_ms for row in rows)])
        return newest

    def _known(
        self, symbol: str, grid: Grid, start_ms: int, now_ms: int, view: View
    ) -> list[Kline]:
        known: list[Kline] = []
        for month_ms in iter_months(start_ms, now_ms):
            columns = self._months.read(symbol, grid, month_ms, view)
            stop = min(columns.position(now_ms), _closed(columns, now_ms))
            known += columns.klines(columns.position(start_ms), stop)
        unfinished = self.unfinished(symbol, grid, now_ms, view)
        return known if unfinished is None else [*known, unfinished]

    def _span(self, query: Query) -> tuple[int, int] | None:
        """The first and last moment of the files that can answer."""
        intervals = [query.grid.interval, *self._months.finer(query.symbol, query.grid)]
        found = [
            segments
            for interval in intervals
            if (segments := self._catalogue.of(query.symbol, interval))
        ]
        if not found:
            return None
        first_ms = min(segments[0].start_ms for segments in found)
        return query.grid.floor(first_ms), max(segments[-1].end_ms for segments in found) - 1


def flat(kline: Kline) -> Kline:
    """Return a kline as it stood when it opened: at its open price, nothing traded yet."""
    return kline._replace(
        high=kline.open,
        low=kline.open,
        close=kline.open,
        volume="0.00000000",
        quote_asset_volume="0.00000000",
        number_of_trades=0,
        taker_buy_base_asset_volume="0.00000000",
        taker_buy_quote_asset_volume="0.00000000",
    )


def _closed(columns: Columns, now_ms: int) -> int:
    """The number of rows, from the first, that are closed at `now_ms`."""
    count = columns.position(now_ms)
    while count and columns.closes[count - 1] >= now_ms:
        count -= 1
    return count
