"""The store and the segments beside it: where the klines of a range are read from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection

from api_historic.klines.coverage import Asked
from api_historic.klines.sources import StoredKlines
from market.errors import TooManyRequests
from market.gaps import Range
from market.interval import Interval
from market.store import Store
from market.store.glance import Glance
from market.store.kline_months import (
    SETTLING_MS,
    MonthStamp,
    glance_closed_months,
    month_of,
    read_closed_months,
)
from market.store.symbols import Series, find_series

if TYPE_CHECKING:
    from api_historic.segments import Segment, Segments


#: When to ask again where every place for long answers is taken.
STREAM_RETRY_S = 5


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


class Library:
    """The store, and the segments of its closed months where any are kept.

    Safe to share between threads.
    """

    def __init__(self, store: Store, segments: Segments | None = None, *, streams: int = 8) -> None:
        self.store = store
        self._streams = streams
        self._free_streams = threading.BoundedSemaphore(streams)
        self._segments = segments
        self._glance = Glance(store)
        # Numbers never change, and a symbol whose klines were wanted stays one.
        self._known: dict[tuple[str, Interval], Series] = {}

    def find_series(self, connection: Connection, symbol: str, interval: Interval) -> Series:
        """Return the series of a symbol.

        Raises:
            NotFound: nobody asked for the symbol's klines.
        """
        series = self._known.get((symbol, interval))
        if series is None:
            series = find_series(connection, symbol, interval)
            self._known[symbol, interval] = series
        return series

    def glance(
        self, symbol: str, interval: Interval, asked: Asked, limit: int, now_ms: int
    ) -> tuple[Series, Shelf] | None:
        """Return what there is of closed months by one round trip, `None` where there is none.

        What is answered from these segments alone needs no transaction.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        series = self._known.get((symbol, interval))
        if self._segments is None or series is None:
            return None
        span = _reach(interval, asked, limit, now_ms)
        if span is None or span[0] is None or span[1] is None:
            return None
        months = glance_closed_months(self._glance, series, span[0], span[1])
        shelf = self._fill(series, months)
        return (series, shelf) if shelf.segments else None

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Take one of the places for long answers: each holds a connection while it is taken.

        Raises:
            TooManyRequests: all are in use; short answers are given all the same.
        """
        if not self._free_streams.acquire(blocking=False):
            raise TooManyRequests(
                f"{self._streams} long answers are being sent already",
                retry_after_s=STREAM_RETRY_S,
                hint="Try again, or ask for pages: format=json, or a limit and the cursor.",
            )
        try:
            yield
        finally:
            self._free_streams.release()

    def look_up(
        self, connection: Connection, series: Series, asked: Asked, limit: int | None, now_ms: int
    ) -> Shelf:
        """Return what there is of closed months that may answer; ask for what is not there."""
        span = _reach(series.interval, asked, limit, now_ms)
        if span is None:
            return Shelf([], [])
        return self._fill(series, read_closed_months(connection, series, *span))

    def close(self) -> None:
        """Close what glances use."""
        self._glance.close()

    def _fill(self, series: Series, months: list[MonthStamp]) -> Shelf:
        if self._segments is None:
            return Shelf(months, [])
        segments = self._segments.find_of(series, months)
        found = {segment.month for segment in segments}
        for month, _ in months:
            if month not in found:
                self._segments.want(series, month)
        return Shelf(months, segments)


def _reach(
    interval: Interval, asked: Asked, limit: int | None, now_ms: int
) -> tuple[int | None, int | None] | None:
    """Return the time a request may be answered from, `None` where no month of it is closed."""
    start_ms, end_ms = asked.start_ms, asked.end_ms
    if limit is not None:
        reach_ms = (limit + 1) * interval.typical_ms
        if start_ms is not None and not asked.is_descending:
            end_ms = start_ms + reach_ms if end_ms is None else min(end_ms, start_ms + reach_ms)
        elif end_ms is not None:
            start_ms = end_ms - reach_ms if start_ms is None else max(start_ms, end_ms - reach_ms)
        else:
            return None  # the newest of all
    if start_ms is not None and month_of(start_ms).end_ms + SETTLING_MS > now_ms:
        return None
    return start_ms, end_ms


def open_stored(connection: Connection, series: Series, shelf: Shelf) -> StoredKlines:
    """Return where stored klines are read from: the database, and segments where there are any."""
    if not shelf.segments:
        return StoredKlines(connection, series)
    from api_historic.klines.closed import ClosedKlines

    return ClosedKlines(connection, series, shelf.segments)
