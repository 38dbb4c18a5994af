from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from market.gaps import (
    EXPLAINED,
    Cause,
    Gap,
    Range,
    completeness,
    explain_missing,
    find_missing,
    find_watermark,
    join_gaps,
    merge_ranges,
    subtract_ranges,
)
from market.interval import Interval
from support.klines import START_MS

intervals = st.sampled_from([Interval.M1, Interval.H1, Interval.W1, Interval.MO1])
ranges = st.lists(st.builds(lambda a, n: Range(a, a + n), st.integers(0, 40), st.integers(0, 15)))
gaps = st.lists(
    st.builds(
        lambda a, n, cause: Gap(a, a + n, cause),
        st.integers(0, 40),
        st.integers(1, 15),
        st.sampled_from(list(Cause)),
    ),
    max_size=6,
)


def points(spans: list[Range] | list[Gap]) -> set[int]:
    return {time for span in spans for time in range(span[0], span[1])}


@given(intervals, st.sets(st.integers(0, 60)), st.integers(0, 5))
def test_missing_of_any_subset_of_a_grid(
    interval: Interval, present: set[int], off_ms: int
) -> None:
    start = interval.ceil(START_MS)
    grid = [interval.add(start, number) for number in range(61)]
    end = interval.add(start, 61)

    missing = find_missing(interval, start, end, [grid[number] + off_ms for number in present])

    absent = {open_ms for span in missing for open_ms in interval.iter_opens(*span)}
    assert absent == {open_ms for number, open_ms in enumerate(grid) if number not in present}
    assert missing == merge_ranges(missing)
    fraction = completeness(interval, Range(start, end), missing)
    assert fraction == (61 - len(absent)) / 61


def test_klines_outside_the_range_do_not_count() -> None:
    missing = find_missing(Interval.H1, 3_600_000, 7_200_000, [0, 7_200_000, 10**12])

    assert missing == [Range(3_600_000, 7_200_000)]
    assert completeness(Interval.H1, Range(5, 5), []) == 1.0


@given(ranges)
def test_merged_ranges_cover_the_same_time_once(spans: list[Range]) -> None:
    merged = merge_ranges(spans)

    assert points(merged) == points(spans)
    assert all(a.end_ms < b.start_ms for a, b in zip(merged, merged[1:], strict=False))
    assert merge_ranges(merged) == merged


@given(ranges, ranges)
def test_subtraction_is_that_of_sets(wanted: list[Range], taken: list[Range]) -> None:
    left = subtract_ranges(wanted, taken)

    assert points(left) == points(wanted) - points(taken)
    assert left == sorted(left)
    assert sum(end - start for start, end in left) == len(points(left))


@given(ranges.map(merge_ranges), gaps)
def test_every_missing_slot_gets_one_cause(missing: list[Range], ledger: list[Gap]) -> None:
    explained = explain_missing(missing, ledger)

    assert points(explained) == points(missing)
    assert sum(gap.end_ms - gap.start_ms for gap in explained) == len(points(missing))
    for gap in explained:
        for time in range(gap.start_ms, gap.end_ms):
            causes = {one.cause for one in ledger if one.start_ms <= time < one.end_ms}
            assert gap.cause in (causes or {Cause.REPAIRABLE})


@given(gaps)
def test_joined_gaps_say_the_same(several: list[Gap]) -> None:
    joined = join_gaps(several)

    for cause in Cause:
        before = [gap for gap in several if gap.cause is cause]
        assert points([gap for gap in joined if gap.cause is cause]) == points(before)
    assert join_gaps(joined) == joined


@given(intervals, st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_watermark_is_the_last_slot_before_the_first_open_question(
    interval: Interval, present: set[int], outage: set[int]
) -> None:
    start = interval.ceil(START_MS)
    newest = max(present, default=-1)
    end = interval.add(start, newest + 1)
    slots = [interval.add(start, number) for number in range(32)]
    known = [Gap(slots[n], slots[n + 1], Cause.OUTAGE) for n in outage]
    opens = [slots[number] for number in present]
    missing = explain_missing(find_missing(interval, start, end, opens), known)

    watermark = find_watermark(interval, start, missing, end)

    fine = 0
    while fine <= newest and (fine in present or fine in outage):
        fine += 1
    assert watermark == (slots[fine - 1] if fine else None)


def test_only_what_can_be_fetched_is_unexplained() -> None:
    assert set(Cause) - EXPLAINED == {Cause.REPAIRABLE}
