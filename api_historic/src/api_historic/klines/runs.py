"""Klines that segments alone can answer: no open time has to be asked of the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from api_historic.klines.coverage import Asked
from market.gaps import Range

if TYPE_CHECKING:
    from api_historic.segments import Segment


class Run(NamedTuple):
    """Klines of neighbouring months, ascending: for each month the open times taken.

    `has_more` tells whether a limit cut any off.
    """

    parts: list[tuple[Segment, Range]]
    oldest_ms: int
    newest_ms: int
    has_more: bool


def find_run(segments: Sequence[Segment], asked: Asked, limit: int | None) -> Run | None:
    """Return the klines asked for, `None` where segments alone can't tell which they are.

    From an end of the range that lies in a segment they go on, month by month, until the
    limit or the other end is reached.
    """
    if asked.is_descending:
        return _find_newest(segments, asked, limit)
    if asked.start_ms is None:
        return None
    parts: list[tuple[Segment, Range]] = []
    left = limit
    for segment, part in _neighbours(segments, asked.start_ms):
        end_ms = part.end_ms if asked.end_ms is None else min(part.end_ms, asked.end_ms)
        first, last = places_of(segment, Range(part.start_ms, end_ms))
        if left is not None and last - first > left:
            if left:
                end_ms = int(segment.open_times[first + left - 1]) + 1
                parts.append((segment, Range(part.start_ms, end_ms)))
            return _run(parts, has_more=True)
        if last > first:
            parts.append((segment, Range(part.start_ms, end_ms)))
            left = None if left is None else left - (last - first)
        if asked.end_ms is not None and asked.end_ms <= part.end_ms:
            return _run(parts, has_more=False)
    return None


def places_of(segment: Segment, part: Range) -> tuple[int, int]:
    """Return which of a segment's klines open in a part; of a whole month without a look at it."""
    month, opens = segment.month, segment.open_times
    is_from_start, is_to_end = part.start_ms <= month.start_ms, part.end_ms >= month.end_ms
    first = 0 if is_from_start else int(np.searchsorted(opens, part.start_ms))
    return first, segment.count if is_to_end else int(np.searchsorted(opens, part.end_ms))


def _find_newest(segments: Sequence[Segment], asked: Asked, limit: int | None) -> Run | None:
    """Return the newest klines before an end that lies in a segment."""
    if asked.end_ms is None or limit is None:
        return None
    for segment in segments:
        if segment.month.start_ms < asked.end_ms <= segment.month.end_ms:
            last = int(np.searchsorted(segment.open_times, asked.end_ms))
            if last <= limit:
                return None
            first_ms = int(segment.open_times[last - limit])
            if asked.start_ms is not None and first_ms < asked.start_ms:
                return None
            newest_ms = int(segment.open_times[last - 1])
            part = (segment, Range(first_ms, newest_ms + 1))
            before_ms = int(segment.open_times[last - limit - 1])
            has_more = asked.start_ms is None or before_ms >= asked.start_ms
            return Run([part], first_ms, newest_ms, has_more)
    return None


def _neighbours(segments: Sequence[Segment], start_ms: int) -> Iterator[tuple[Segment, Range]]:
    """Yield the month a time lies in and those that follow without a break, from that time."""
    inside = [segment for segment in segments if segment.month.end_ms > start_ms]
    if not inside or inside[0].month.start_ms > start_ms:
        return
    yield inside[0], Range(start_ms, inside[0].month.end_ms)
    for before, segment in pairwise(inside):
        if before.month.end_ms != segment.month.start_ms:
            return
        yield segment, segment.month


def _run(parts: list[tuple[Segment, Range]], *, has_more: bool) -> Run | None:
    """Return the run of parts that hold klines; `None` for none, which is the database's."""
    if not parts:
        return None
    (first, head), (last, tail) = parts[0], parts[-1]
    oldest_ms = int(first.open_times[np.searchsorted(first.open_times, head.start_ms)])
    newest_ms = int(last.open_times[np.searchsorted(last.open_times, tail.end_ms) - 1])
    return Run(parts, oldest_ms, newest_ms, has_more)
