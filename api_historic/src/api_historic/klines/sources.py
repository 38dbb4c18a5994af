"""Where the klines of an answer come from: as stored now, or as they were known at a time.

A source tells what it holds by open times alone, and then gives it as lines or as columns.
All within one connection's snapshot, so that what is told and what is given agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

from api_historic.klines import rows, scan
from api_historic.klines.coverage import Asked
from api_historic.klines.layout import FREE_TEXT, Layout, csv_layout
from api_historic.klines.scan import Extent
from market.gaps import Range, find_missing, merge_ranges
from market.kline import KLINE_FIELDS, Kline
from market.store.revisions import read_klines_as_of
from market.store.symbols import Series


class Source(Protocol):
    """One series of an answer."""

    series: Series

    def find_extent(self, asked: Asked, limit: int | None) -> Extent | None:
        """Return which klines answer a request for at most `limit`; `None` for no kline."""

    def find_missing(self, span: Range) -> list[Range]:
        """Return the ranges of the span's slots that hold no kline."""

    def count(self, span: Range) -> int:
        """Return how many klines open in the span."""

    def iter_lines(
        self, span: Range, layout: Layout, *, iso: bool, is_descending: bool
    ) -> Iterator[bytes | memoryview]:
        """Yield the klines opening in the span as lines, many at once."""

    def iter_tables(
        self, span: Range, fields: Sequence[str], *, is_descending: bool
    ) -> Iterator[Any]:
        """Yield the klines opening in the span as Arrow tables."""


class StoredKlines:
    """The klines as they are stored."""

    def __init__(self, connection: Connection | None, series: Series) -> None:
        self.series = series
        self._given = connection

    @property
    def _connection(self) -> Connection:
        if self._given is None:
            raise ValueError("these klines were to be read without the database")
        return self._given

    def find_extent(self, asked: Asked, limit: int | None) -> Extent | None:
        """Return which klines answer a request for at most `limit`; `None` for no kline."""
        return scan.find_extent(
            self._connection,
            self.series,
            asked[:2],
            limit,
            is_descending=asked.is_descending,
        )

    def find_missing(self, span: Range) -> list[Range]:
        """Return the ranges of the span's slots that hold no kline."""
        return scan.scan_missing(self._connection, self.series, span)

    def count(self, span: Range) -> int:
        """Return how many klines open in the span."""
        return scan.count_opens(self._connection, self.series, span)

    def iter_lines(
        self, span: Range, layout: Layout, *, iso: bool, is_descending: bool
    ) -> Iterator[bytes | memoryview]:
        """Yield the klines opening in the span as lines, many at once."""
        if not iso:
            return rows.iter_lines(
                self._connection, self.series, span, layout, is_descending=is_descending
            )
        fields = [field for _, field in layout.values]
        tables = self.iter_tables(span, fields, is_descending=is_descending)
        return _written(tables, layout, iso=iso)

    def iter_tables(
        self, span: Range, fields: Sequence[str], *, is_descending: bool
    ) -> Iterator[Any]:
        """Yield the klines opening in the span as Arrow tables."""
        from api_historic.klines.columns import parse_lines

        lines = rows.iter_lines(
            self._connection,
            self.series,
            span,
            csv_layout(fields, None),
            is_descending=is_descending,
        )
        return (parse_lines(some, fields) for some in lines)


class KnownKlines:
    """The klines as they were known at a time: read as they are, and slowly."""

    def __init__(self, connection: Connection, series: Series, as_of_ms: int) -> None:
        self.series = series
        self._connection = connection
        self._as_of_ms = as_of_ms

    def find_extent(self, asked: Asked, limit: int | None) -> Extent | None:
        """Return which klines answer a request for at most `limit`; `None` for no kline."""
        count, first_ms, last_ms = 0, None, 0
        pages = self._iter_pages(asked.start_ms, asked.end_ms, is_descending=asked.is_descending)
        for page in pages:
            first_ms = page[0].open_time_ms if first_ms is None else first_ms
            kept = page if limit is None else page[: limit - count]
            if kept:
                last_ms = kept[-1].open_time_ms
            count += len(kept)
            if len(kept) < len(page):
                return Extent(min(first_ms, last_ms), max(first_ms, last_ms), True)
        if first_ms is None:
            return None
        return Extent(min(first_ms, last_ms), max(first_ms, last_ms), False)

    def find_missing(self, span: Range) -> list[Range]:
        """Return the ranges of the span's slots that hold no kline."""
        interval = self.series.interval
        missing: list[Range] = []
        told_ms = span.start_ms
        for page in self._iter_pages(*span, is_descending=False):
            opens = [kline.open_time_ms for kline in page]
            missing += find_missing(interval, told_ms, opens[-1] + 1, opens)
            told_ms = max(told_ms, interval.ceil(opens[-1] + 1))
        if told_ms < span.end_ms:
            missing += find_missing(interval, told_ms, span.end_ms, ())
        return merge_ranges(missing)

    def count(self, span: Range) -> int:
        """Return how many klines open in the span."""
        return sum(len(page) for page in self._iter_pages(*span, is_descending=False))

    def iter_lines(
        self, span: Range, layout: Layout, *, iso: bool, is_descending: bool
    ) -> Iterator[bytes | memoryview]:
        """Yield the klines opening in the span as lines, many at once."""
        fields = [field for _, field in layout.values]
        tables = self.iter_tables(span, fields, is_descending=is_descending)
        return _written(tables, layout, iso=iso)

    def iter_tables(
        self, span: Range, fields: Sequence[str], *, is_descending: bool
    ) -> Iterator[Any]:
        """Yield the klines opening in the span as Arrow tables."""
        from api_historic.klines.columns import parse_lines

        places = [KLINE_FIELDS.index(field) for field in fields]
        for page in self._iter_pages(*span, is_descending=is_descending):
            lines = "\n".join(
                ",".join(_csv_value(kline[place], KLINE_FIELDS[place]) for place in places)
                for kline in page
            )
            yield parse_lines(lines.encode(), fields)

    def _iter_pages(
        self, start_ms: int | None, end_ms: int | None, *, is_descending: bool
    ) -> Iterator[list[Kline]]:
        while True:
            page = read_klines_as_of(
                self._connection,
                self.series,
                start_ms,
                end_ms,
                rows.CHUNK,
                self._as_of_ms,
                newest=is_descending,
            )
            if page:
                yield page[::-1] if is_descending else page
            if len(page) < rows.CHUNK:
                return
            if is_descending:
                end_ms = page[0].open_time_ms
            else:
                start_ms = page[-1].open_time_ms + 1


def _csv_value(value: int | str, field: str) -> str:
    return '"{}"'.format(str(value).replace('"', '""')) if field == FREE_TEXT else str(value)


def _written(tables: Iterator[Any], layout: Layout, *, iso: bool) -> Iterator[bytes]:
    from api_historic.klines.columns import write_lines

    return (write_lines(table, layout, iso=iso) for table in tables)
