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


class Asked(NamedTuple):
    """The range a request asks for, and in which order; `None` leaves a side open.

    `is_continued`: it goes on where a page of that order ended.
    """

    start_ms: int | None
    end_ms: int | None
    is_descending: bool = False
    is_continued: bool = False


def span_of_page(
    interval: Interval,
    asked: Asked,
    opens: tuple[int, int] | None,
    *,
    has_more: bool,
    now_ms: int,
) -> Range:
    """Return the range a page speaks for; `opens` are its oldest and its newest open time.

    It begins where was asked, else at its oldest kline. It ends where was asked, but never
    later than the newest slot that has closed. Where more follow, it stops at its last kline.
    Neighbouring pages' ranges touch: no gap is told twice or not at all.
    """
    start_ms, end_ms = asked.start_ms, asked.end_ms
    newest_end_ms = interval.floor(now_ms)
    if end_ms is not None and asked.is_descending and asked.is_continued:
        # The page before spoke for the whole slot that it ended in.
        end_ms = interval.floor(end_ms)
    if has_more and opens is not None and not asked.is_descending:
        end_ms = interval.ceil(opens[1] + 1)
    elif end_ms is None or end_ms > newest_end_ms:
        last_end_ms = newest_end_ms if opens is None else interval.ceil(opens[1] + 1)
        end_ms = max(newest_end_ms, last_end_ms)
    if opens is not None and (start_ms is None or (has_more and asked.is_descending)):
        start_ms = interval.floor(opens[0])
    if start_ms is None:
        start_ms = end_ms
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
