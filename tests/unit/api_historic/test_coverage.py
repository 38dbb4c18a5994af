"""Every slot of a range is either served or named missing, however it is paged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api_historic.klines.coverage import Asked, describe_coverage, missing_of, span_of_page
from market.gaps import Cause, Gap, Range
from market.interval import DAY_MS, HOUR_MS, Interval

START_MS = 1_704_067_200_000  # 2024-01-01, a Monday


def slots_of(interval: Interval, ranges: list[Range]) -> list[int]:
    return [open_ms for span in ranges for open_ms in interval.iter_opens(*span)]


@st.composite
def stored_series(draw: st.DrawFn) -> tuple[Interval, list[int], int]:
    """An interval, the open times stored of its first slots (some off the grid), their end."""
    interval = draw(st.sampled_from([Interval.M1, Interval.H1, Interval.W1, Interval.MO1]))
    first = interval.ceil(START_MS)
    kept = draw(st.lists(st.integers(0, 19), max_size=20, unique=True))
    shifts = draw(st.lists(st.sampled_from([0, 0, 0, 14_789]), min_size=20, max_size=20))
    opens = [interval.add(first, slot) + shifts[slot] for slot in sorted(kept)]
    return interval, opens, interval.add(first, 20)


@given(stored_series(), st.integers(1, 7), st.booleans())
def test_pages_name_each_missing_slot_once(
    series: tuple[Interval, list[int], int], limit: int, asks_end: bool
) -> None:
    interval, stored, end_ms = series
    start_ms = interval.ceil(START_MS)
    position, missing = start_ms, []
    while True:
        rows = [open_ms for open_ms in stored if open_ms >= position]
        page, has_more = rows[:limit], len(rows) > limit
        span = span_of_page(
            interval,
            Asked(position, end_ms if asks_end else None),
            (page[0], page[-1]) if page else None,
            has_more=has_more,
            now_ms=end_ms,
        )
        missing += slots_of(interval, missing_of(interval, span, page))
        if not has_more:
            break
        position = page[-1] + 1

    filled = {interval.floor(open_ms) for open_ms in stored}
    assert missing == [slot for slot in interval.iter_opens(start_ms, end_ms) if slot not in filled]


def test_page_without_start_speaks_from_its_first_kline() -> None:
    opens = [START_MS, START_MS + HOUR_MS]

    span = span_of_page(
        Interval.H1,
        Asked(None, None),
        (opens[0], opens[-1]),
        has_more=False,
        now_ms=START_MS + 3 * HOUR_MS + 5,
    )

    assert span == Range(START_MS, START_MS + 3 * HOUR_MS)


def test_slot_that_is_still_open_is_not_missing() -> None:
    now_ms = START_MS + DAY_MS + HOUR_MS

    span = span_of_page(
        Interval.D1,
        Asked(START_MS, now_ms + 9 * DAY_MS),
        (START_MS, START_MS),
        has_more=False,
        now_ms=now_ms,
    )

    assert missing_of(Interval.D1, span, [START_MS]) == []


def test_empty_answer_for_the_future_is_complete() -> None:
    span = span_of_page(
        Interval.H1, Asked(START_MS + DAY_MS, None), None, has_more=False, now_ms=START_MS
    )

    assert describe_coverage(Interval.H1, span, [], []) == ([], 1.0)


def test_ledger_gives_a_missing_range_its_cause() -> None:
    span = Range(START_MS, START_MS + 4 * HOUR_MS)
    opens = [START_MS, START_MS + 3 * HOUR_MS]
    outage = Gap(START_MS + HOUR_MS, START_MS + 2 * HOUR_MS, Cause.OUTAGE)

    coverage = describe_coverage(Interval.H1, span, missing_of(Interval.H1, span, opens), [outage])

    repairable = Gap(START_MS + 2 * HOUR_MS, START_MS + 3 * HOUR_MS, Cause.REPAIRABLE)
    assert coverage == ([outage, repairable], 0.5)
