"""Klines of closed months from their segments, and of all other time from the database.

Both are of one snapshot: a segment is used only where the snapshot bears its month's stamp.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection

from api_historic.klines.coverage import Asked
from api_historic.klines.layout import Layout, csv_layout, json_layout
from api_historic.klines.runs import Run, find_run, places_of
from api_historic.klines.scan import Extent
from api_historic.klines.sources import StoredKlines
from market.gaps import Range, merge_ranges, subtract_ranges
from market.interval import Interval
from market.kline import KLINE_FIELDS
from market.store.symbols import Series

if TYPE_CHECKING:
    from api_historic.segments import Segment

#: Rows given at once.
_ROWS = 16_384
#: Rows Arrow writes as text at once: it holds every value as a text meanwhile.
_WRITTEN_ROWS = 4_096
#: What the rows of segments hold: no free text among them.
_FIELDS = KLINE_FIELDS[:-1]
_ROWS_LAYOUT = json_layout(_FIELDS)
_WHOLE_LAYOUT = json_layout(KLINE_FIELDS)


class ClosedKlines(StoredKlines):
    """The klines as they are stored, read from segments where there are any, ascending.

    Without a connection only what segments hold can be read: see `holds`.
    """

    def __init__(
        self, connection: Connection | None, series: Series, segments: Sequence[Segment]
    ) -> None:
        super().__init__(connection, series)
        self._segments = list(segments)

    def holds(self, span: Range) -> bool:
        """Tell whether segments hold all of a span."""
        return not subtract_ranges([span], [segment.month for segment in self._segments])

    def find_extent(self, asked: Asked, limit: int | None) -> Extent | None:
        """Return which klines answer a request for at most `limit`; `None` for no kline."""
        run = find_run(self._segments, asked, limit)
        if run is not None:
            return Extent(run.oldest_ms, run.newest_ms, run.has_more)
        return super().find_extent(asked, limit)

    def find_missing(self, span: Range) -> list[Range]:
        """Return the ranges of the span's slots that hold no kline."""
        missing: list[Range] = []
        for part, segment in self._parts(span):
            if segment is None:
                missing += super().find_missing(part)
                continue
            missing += missing_in(segment.open_times, self.series.interval, part)
            _release(segment, part)
        return merge_ranges(missing)

    def count(self, span: Range) -> int:
        """Return how many klines open in the span."""
        return sum(
            super(ClosedKlines, self).count(part)
            if segment is None
            else int(np.diff(np.searchsorted(segment.open_times, part))[0])
            for part, segment in self._parts(span)
        )

    def iter_lines(
        self, span: Range, layout: Layout, *, iso: bool, is_descending: bool
    ) -> Iterator[bytes | memoryview]:
        """Yield the klines opening in the span as lines, many at once."""
        if is_descending:
            yield from super().iter_lines(span, layout, iso=iso, is_descending=True)
            return
        from api_historic.klines.columns import write_lines

        csv_layouts = [csv_layout(_FIELDS, symbol) for symbol in (None, self.series.symbol)]
        for part, segment in self._parts(span):
            if segment is None:
                yield from super().iter_lines(part, layout, iso=iso, is_descending=False)
                continue
            for few in _slices(segment, part):
                if layout == _ROWS_LAYOUT and not iso:
                    yield segment.json_rows(*few)
                elif layout in csv_layouts and not iso:
                    yield csv_lines(segment.json_rows(*few), layout.values[0][0].encode())
                else:
                    for fewer in _slices(segment, few, _WRITTEN_ROWS):
                        yield write_lines(segment.table(*fewer), layout, iso=iso)
            _release(segment, part)

    def iter_tables(
        self, span: Range, fields: Sequence[str], *, is_descending: bool
    ) -> Iterator[Any]:
        """Yield the klines opening in the span as Arrow tables."""
        if is_descending:
            yield from super().iter_tables(span, fields, is_descending=True)
            return
        for part, segment in self._parts(span):
            if segment is None:
                yield from super().iter_tables(part, fields, is_descending=False)
                continue
            for few in _slices(segment, part):
                yield segment.table(*few).select(list(fields))
            _release(segment, part)

    def _parts(self, span: Range) -> Iterator[tuple[Range, Segment | None]]:
        """Yield the parts of a span in their order, each with its segment, if it has one."""
        held = {segment.month: segment for segment in self._segments}
        inside = [
            (Range(max(month.start_ms, span.start_ms), min(month.end_ms, span.end_ms)), segment)
            for month, segment in held.items()
            if month.start_ms < span.end_ms and month.end_ms > span.start_ms
        ]
        others = subtract_ranges([span], list(held))
        parts: list[tuple[Range, Segment | None]] = [*inside, *((one, None) for one in others)]
        yield from sorted(parts, key=lambda part: part[0])


def missing_in(open_times: Any, interval: Interval, part: Range) -> list[Range]:
    """Return the slots of a part that no open time fills; for intervals of fixed length.

    `open_times`: int64, ms, ascending; those of whole months, whose slots never straddle.
    """
    step_ms = interval.step_ms
    if step_ms is None:
        raise ValueError("months have no fixed length")
    start_ms, end_ms = interval.ceil(part.start_ms), interval.ceil(part.end_ms)
    # A kline that opens off the grid, behind the end, is not of this part.
    first, end = np.searchsorted(open_times, (start_ms, part.end_ms))
    slots = open_times[first:end] // step_ms
    edges = np.concatenate(([start_ms // step_ms - 1], slots, [end_ms // step_ms]))
    holes = np.flatnonzero(np.diff(edges) > 1)
    return [Range(int(edges[hole] + 1) * step_ms, int(edges[hole + 1]) * step_ms) for hole in holes]


def csv_lines(json_rows: memoryview, opening: bytes) -> bytes:
    """Return rows of a segment as CSV lines, each with the same opening.

    Without its brackets and quotes such a row is one; `],` stands between rows alone.
    """
    bare = bytes(json_rows).translate(None, b'["').removesuffix(b"]")
    return b"%b%b\n" % (opening, bare.replace(b"],", b"\n" + opening))


def _slices(segment: Segment, part: Range, rows: int = _ROWS) -> Iterator[Range]:
    """Yield ranges of a part that hold a few thousand klines each."""
    first, end = places_of(segment, part)
    for place in range(first, end, rows):
        last = min(place + rows, end) - 1
        yield Range(int(segment.open_times[place]), int(segment.open_times[last]) + 1)


def _release(segment: Segment, part: Range) -> None:
    """Give back the memory of a long part; of a page it will be wanted again."""
    first, end = places_of(segment, part)
    if end - first > _ROWS:
        segment.release()


def write_whole_rows(run: Run, layout: Layout) -> bytes | None:
    """Return a JSON array of a run's klines with all twelve fields, as Binance has it.

    `None` where the segments don't know how: the twelfth is not "0", or times in microseconds.
    """
    is_plain = layout == _WHOLE_LAYOUT
    if not is_plain or not all(segment.ignores_are_zero for segment, _ in run.parts):
        return None
    rows = b",".join([segment.json_rows(*part) for segment, part in run.parts])
    # The eleven fields hold no free text: nothing else looks like the end of a row.
    return b'[%b,"0"]]' % rows.replace(b"],[", b',"0"],[').removesuffix(b"]")
