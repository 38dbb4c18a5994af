"""Gaps: the open times of a range that hold no kline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from market.interval import Interval


class Cause(StrEnum):
    """Why open times are missing."""

    NOT_LISTED = "not_listed"
    OUTAGE = "outage"
    SOURCE_MISSING = "source_missing"
    REPAIRABLE = "repairable"
    DELISTED = "delisted"


#: Causes that explain a gap: nothing that could still be fetched is missing.
EXPLAINED = frozenset({Cause.NOT_LISTED, Cause.OUTAGE, Cause.SOURCE_MISSING, Cause.DELISTED})


class Range(NamedTuple):
    """A half-open range of time, UTC epoch milliseconds."""

    start_ms: int
    end_ms: int


class Gap(NamedTuple):
    """A half-open range of missing open times and why they are missing."""

    start_ms: int
    end_ms: int
    cause: Cause


def find_missing(
    interval: Interval, start_ms: int, end_ms: int, open_times: Iterable[int]
) -> list[Range]:
    """Return the maximal ranges of grid slots in [start_ms, end_ms) that hold no kline.

    An off-grid kline fills the slot it opens in. `open_times` may have any order.
    """
    missing: list[Range] = []
    expected = interval.ceil(start_ms)
    end = interval.ceil(end_ms)
    for open_ms in sorted({interval.floor(time_ms) for time_ms in open_times}):
        if open_ms < expected:
            continue
        if open_ms >= end:
            break
        if open_ms > expected:
            missing.append(Range(expected, open_ms))
        expected = interval.add(open_ms, 1)
    if expected < end:
        missing.append(Range(expected, end))
    return missing


def merge_ranges(ranges: Iterable[Range]) -> list[Range]:
    """Return the same time as disjoint ranges, ascending, touching ones joined."""
    merged: list[Range] = []
    for start_ms, end_ms in sorted(ranges):
        if start_ms >= end_ms:
            continue
        if merged and start_ms <= merged[-1].end_ms:
            merged[-1] = Range(merged[-1].start_ms, max(merged[-1].end_ms, end_ms))
        else:
            merged.append(Range(start_ms, end_ms))
    return merged


def subtract_ranges(wanted: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    """Return the parts of `wanted` that no range of `taken` covers, ascending."""
    left: list[Range] = []
    holes = merge_ranges(taken)
    for start_ms, end_ms in merge_ranges(wanted):
        for hole in holes:
            if hole.end_ms <= start_ms or hole.start_ms >= end_ms:
                continue
            if hole.start_ms > start_ms:
                left.append(Range(start_ms, hole.start_ms))
            start_ms = hole.end_ms
        if start_ms < end_ms:
            left.append(Range(start_ms, end_ms))
    return left


def join_gaps(gaps: Iterable[Gap]) -> list[Gap]:
    """Return the same gaps, ascending, touching ones of one cause joined."""
    joined: list[Gap] = []
    for gap in sorted(gaps):
        last = joined[-1] if joined else None
        if last is not None and last.cause is gap.cause and gap.start_ms <= last.end_ms:
            joined[-1] = last._replace(end_ms=max(last.end_ms, gap.end_ms))
        else:
            joined.append(gap)
    return joined


def explain_missing(missing: Sequence[Range], ledger: Iterable[Gap]) -> list[Gap]:
    """Give each missing range its causes: the ledger's where it covers, else repairable."""
    gaps: list[Gap] = []
    known = sorted(ledger)
    for span in missing:
        rest = [span]
        for gap in known:
            if gap.start_ms >= span.end_ms or gap.end_ms <= span.start_ms:
                continue
            covered = Range(max(gap.start_ms, span.start_ms), min(gap.end_ms, span.end_ms))
            # Entries may overlap: each takes what no earlier one explained.
            gaps += [
                Gap(*part, gap.cause)
                for part in subtract_ranges([covered], subtract_ranges([span], rest))
            ]
            rest = subtract_ranges(rest, [covered])
        gaps += [Gap(*part, Cause.REPAIRABLE) for part in rest]
    return sorted(gaps)


def completeness(interval: Interval, span: Range, missing: Iterable[Range]) -> float:
    """Return the fraction of the range's slots that hold a kline; 1 for an empty range."""
    expected = interval.count(*span)
    if expected == 0:
        return 1.0
    absent = sum(interval.count(*hole) for hole in missing)
    return (expected - absent) / expected


def find_watermark(
    interval: Interval, start_ms: int, missing: Sequence[Gap], end_ms: int
) -> int | None:
    """Return the newest open time below which no unexplained gap remains, or `None`.

    `missing` are the gaps of [start_ms, end_ms) and `end_ms` ends the newest stored kline.
    """
    unexplained = [gap.start_ms for gap in missing if gap.cause not in EXPLAINED]
    frontier = min(unexplained, default=interval.ceil(end_ms))
    newest = interval.add(interval.ceil(frontier), -1)
    return newest if newest >= start_ms else None
