"""The store and the segments beside it: where the klines of a range are read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection

from api_historic.klines.coverage import Asked
from api_historic.klines.sources import StoredKlines
from market.gaps import Range
from market.interval import Interval
from market.store import Store
from market.store.kline_months import SETTLING_MS, MonthStamp, month_of, read_closed_months
from market.store.symbols import Series

if TYPE_CHECKING:
    from api_historic.segments import Segment, Segments


class Shelf(NamedTuple):
    """The closed months of a range as a snapshot has them, and the segments true for it."""

    months: list[MonthStamp]
    segments: list[Segment]

    def stamps_of(self, span: Range) -> list[int] | None:
        """Return the stamps of a span's months, `None` where not every one is closed."""
        if span.start_ms >= span.end_ms:
            return None
        held = {month.start_ms: stamp for month, stamp in self.months}
        first_ms, last_ms = month_of(span.start_ms).start_ms, month_of(span.end_ms - 1).start_ms
        wanted = Interval.MO1.iter_opens(first_ms, last_ms + 1)
        stamps = [held.get(month_ms) for month_ms in wanted]
        known = [stamp for stamp in stamps if stamp is not None]
        return known if len(known) == len(stamps) else None


_EMPTY = Shelf([], [])


class Library(NamedTuple):
    """The store, and the segments of its closed months where any are kept."""

    store: Store
    segments: Segments | None = None

    def look_up(
        self, connection: Connection, series: Series, asked: Asked, limit: int | None, now_ms: int
    ) -> Shelf:
        """Return what there is of closed months that may answer; ask for what is not there."""
        start_ms, end_ms = asked.start_ms, asked.end_ms
        reach_ms = None if limit is None else (limit + 1) * series.interval.typical_ms
        if reach_ms is not None and start_ms is not None and not asked.is_descending:
            end_ms = start_ms + reach_ms if end_ms is None else min(end_ms, start_ms + reach_ms)
        elif reach_ms is not None and end_ms is not None:
            start_ms = end_ms - reach_ms if start_ms is None else max(start_ms, end_ms - reach_ms)
        elif reach_ms is not None:
            return _EMPTY  # the newest of all
        if start_ms is not None and month_of(start_ms).end_ms + SETTLING_MS > now_ms:
            return _EMPTY
        months = read_closed_months(connection, series, start_ms, end_ms)
        if self.segments is None:
            return Shelf(months, [])
        segments = self.segments.find_of(series, months)
        found = {segment.month for segment in segments}
        for month, _ in months:
            if month not in found:
                self.segments.want(series, month)
        return Shelf(months, segments)


def open_stored(connection: Connection, series: Series, shelf: Shelf) -> StoredKlines:
    """Return where stored klines are read from: the database, and segments where there are any."""
    if not shelf.segments:
        return StoredKlines(connection, series)
    from api_historic.klines.closed import ClosedKlines

    return ClosedKlines(connection, series, shelf.segments)
