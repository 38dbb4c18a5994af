"""Why klines are missing: from what the sources said to the ledger's causes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from market.gaps import EXPLAINED, Cause, Gap, Range, explain_missing, join_gaps, subtract_ranges
from market.interval import DAY_MS
from populate_base.outages import is_outage

#: A day's file is in the archive within days: until then it may bring what REST lacks.
ARCHIVE_DELAY_MS = 3 * DAY_MS


class Knowledge(NamedTuple):
    """What asking the exchange taught of a series.

    Attributes:
        lacking: ranges for which REST gave all it has, and the archive too if it was heard.
        now_ms: the exchange's time when they did.
        first_ever_ms: the first open time there is; the symbol was not listed before it.
        is_archive_heard: whether it was; else it may still have what REST lacks.
    """

    lacking: tuple[Range, ...] = ()
    now_ms: int = 0
    first_ever_ms: int = 0
    is_archive_heard: bool = True


def name_causes(
    missing: Sequence[Range], ledger: Iterable[Gap], end_ms: int, knowledge: Knowledge
) -> list[Gap]:
    """Return the gaps that missing ranges are, ascending, touching ones of one cause joined.

    Causes the ledger knows stay. From `end_ms`, the end of the newest stored kline, on
    nothing is a gap unless the ledger explains it.
    """
    gaps: list[Gap] = []
    known = [gap for gap in ledger if gap.cause in EXPLAINED]
    for gap in explain_missing(missing, known):
        if gap.cause is Cause.REPAIRABLE:
            gaps += _explain(Range(gap.start_ms, gap.end_ms), end_ms, knowledge)
        else:
            gaps.append(gap)
    return join_gaps(gaps)


def _explain(hole: Range, end_ms: int, knowledge: Knowledge) -> list[Gap]:
    listed_ms = min(max(knowledge.first_ever_ms, hole.start_ms), hole.end_ms)
    gaps = [Gap(hole.start_ms, listed_ms, Cause.NOT_LISTED)] if listed_ms > hole.start_ms else []
    rest = Range(listed_ms, min(hole.end_ms, end_ms))
    fetchable = subtract_ranges([rest], knowledge.lacking)
    gaps += [Gap(*part, Cause.REPAIRABLE) for part in fetchable]
    for part in subtract_ranges([rest], fetchable):
        gaps.append(Gap(*part, _cause_of_lack(part, knowledge)))
    return gaps


def _cause_of_lack(hole: Range, knowledge: Knowledge) -> Cause:
    if is_outage(hole):
        return Cause.OUTAGE
    may_come = hole.start_ms >= knowledge.now_ms - ARCHIVE_DELAY_MS
    is_open = may_come or not knowledge.is_archive_heard
    return Cause.REPAIRABLE if is_open else Cause.SOURCE_MISSING
