"""How much of a range an answer about klines covers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from market.gaps import Gap, Range, completeness, explain_missing, find_missing
from market.interval import Interval


class Coverage(NamedTuple):
    """What is missing of a range, and the fraction of its slots that hold a kline."""

    gaps: list[Gap]
    completeness: float


def span_of_page(
    interval: Interval,
    asked: tuple[int | None, int | None],
    open_times: Sequence[int],
    *,
    has_more: bool,
    now_ms: int,
) -> Range:
    """Return the range a page speaks for.

    It begins where was asked, else at its first kline. It ends behind its last kline where
    more follow, else where was asked, but never later than the newest slot that has closed.
    Neighbouring pages' ranges touch: no gap is told twice or not at all.
    """
    start_ms, end_ms = asked
    newest_end_ms = interval.floor(now_ms)
    if has_more:
        end_ms = interval.ceil(open_times[-1] + 1)
    elif end_ms is None or end_ms > newest_end_ms:
        last_end_ms = interval.ceil(open_times[-1] + 1) if open_times else newest_end_ms
        end_ms = max(newest_end_ms, last_end_ms)
    if start_ms is None:
        start_ms = interval.floor(open_times[0]) if open_times else end_ms
    return Range(start_ms, max(start_ms, end_ms))


def missing_of(interval: Interval, span: Range, open_times: Sequence[int]) -> list[Range]:
    """Return the ranges of the span's slots that hold no kline."""
    if not open_times or not _is_unbroken(interval, open_times):
        return find_missing(interval, *span, open_times)
    before = Range(span.start_ms, min(open_times[0], span.end_ms))
    after = Range(max(interval.add(open_times[-1], 1), span.start_ms), span.end_ms)
    return [hole for edge in (before, after) for hole in find_missing(interval, *edge, ())]


def describe_coverage(
    interval: Interval, span: Range, missing: Sequence[Range], ledger: Iterable[Gap]
) -> Coverage:
    """Return the gaps with their causes, and the completeness of the span."""
    return Coverage(
        explain_missing(missing, ledger),
        completeness(interval, span, missing),
    )


def _is_unbroken(interval: Interval, open_times: Sequence[int]) -> bool:
    """Tell quickly whether the klines fill their slots one after the other, on the grid."""
    step_ms = interval.step_ms
    if step_ms is None or not interval.is_on_grid(open_times[0]):
        return False
    end_ms = open_times[0] + len(open_times) * step_ms
    return list(open_times) == list(range(open_times[0], end_ms, step_ms))
