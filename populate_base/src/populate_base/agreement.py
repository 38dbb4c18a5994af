"""Outages by agreement: what several symbols of a venue miss at once.

Pure. A hole of one symbol may be a lost file; where most symbols that were trading are
silent together, the exchange itself stood still.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from market.gaps import Cause, Gap, Range, join_gaps, merge_ranges, subtract_ranges
from market.interval import Interval
from populate_base.outages import CALENDAR, SLACK_MS, is_outage

#: Fewer symbols than this prove nothing, however few there are.
QUORUM = 2


class Witness(NamedTuple):
    """What the store knows of one series.

    Attributes:
        known: ranges in which a missing kline was asked for everywhere: from the first to
            the newest stored kline, without what may still be fetched.
        holes: the missing ranges no source fills, whatever cause they bear now.
    """

    symbol: str
    interval: Interval
    known: tuple[Range, ...]
    holes: tuple[Range, ...]


class _Testimony(NamedTuple):
    silent: list[Range]
    traded: list[Range]


def find_outages(witnesses: Iterable[Witness], interval: Interval) -> list[Range]:
    """Return when the exchange stood still, as klines of an interval can tell; ascending.

    It did where at least `QUORUM` symbols, and more than half of those that were trading,
    have no kline. Each symbol speaks by its finest series there: a kline of that interval
    or of a finer one proves trading, a coarser one proves nothing of the time within it. A
    missing coarser kline proves silence.
    """
    by_symbol: defaultdict[str, list[Witness]] = defaultdict(list)
    for witness in witnesses:
        by_symbol[witness.symbol].append(witness)
    heard = [_hear(series, interval) for series in by_symbol.values()]
    return _find_majority(heard)


def _hear(series: Iterable[Witness], interval: Interval) -> _Testimony:
    silent: list[Range] = []
    traded: list[Range] = []
    for witness in sorted(series, key=lambda one: one.interval.typical_ms):
        known = subtract_ranges(witness.known, [*silent, *traded])
        present = subtract_ranges(known, witness.holes)
        silent += subtract_ranges(known, present)
        if witness.interval.typical_ms <= interval.typical_ms:
            traded += present
    return _Testimony(silent, traded)


def _find_majority(heard: Sequence[_Testimony]) -> list[Range]:
    steps: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for testimony in heard:
        for kind, spans in enumerate(testimony):
            for span in merge_ranges(spans):
                steps[span.start_ms][kind] += 1
                steps[span.end_ms][kind] -= 1
    found: list[Range] = []
    silent = traded = 0
    last_ms = 0
    for time_ms in sorted(steps):
        if silent >= QUORUM and silent > traded:
            found.append(Range(last_ms, time_ms))
        silent += steps[time_ms][0]
        traded += steps[time_ms][1]
        last_ms = time_ms
    return merge_ranges(found)


def refine_causes(gaps: Iterable[Gap], interval: Interval, outages: Sequence[Range]) -> list[Gap]:
    """Return the same missing time with its causes as the outages found now say; ascending.

    Only `source_missing` and `outage` are told anew, in both directions: what the shipped
    calendar or the agreement covers is an outage, the rest is not. Pairs do not stop and
    start in the same minute: an outage reaches a little further, over whole slots.
    """
    refined: list[Gap] = []
    told: list[Range] = []
    for gap in gaps:
        if gap.cause in (Cause.SOURCE_MISSING, Cause.OUTAGE):
            told.append(Range(gap.start_ms, gap.end_ms))
        else:
            refined.append(gap)
    for hole in merge_ranges(told):
        refined += _refine(hole, interval, outages)
    return join_gaps(refined)


def _refine(hole: Range, interval: Interval, outages: Sequence[Range]) -> list[Gap]:
    if is_outage(hole):
        return [Gap(*hole, Cause.OUTAGE)]
    near = [
        Range(interval.ceil(start_ms - SLACK_MS), interval.floor(end_ms + SLACK_MS))
        for start_ms, end_ms in (*outages, *CALENDAR)
        if start_ms < hole.end_ms and hole.start_ms < end_ms
    ]
    rest = subtract_ranges([hole], near)
    return [
        *(Gap(*part, Cause.SOURCE_MISSING) for part in rest),
        *(Gap(*part, Cause.OUTAGE) for part in subtract_ranges([hole], rest)),
    ]
