"""Plans: which files and pages for what is missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from market.gaps import Range, merge_ranges, subtract_ranges
from market.interval import DAY_MS, HOUR_MS, Interval
from market.times import parse_time_ms
from populate_base.archive_file import Period
from populate_base.plan import PAGE_KLINES, closed_range, common_ranges, plan_files, plan_pages

FAR_MS = parse_time_ms("time", "2030-01-01")


def at(text: str) -> int:
    return parse_time_ms("time", text)


def names(files: list) -> list[str]:
    return [file.name.removesuffix(".zip") for file in files]


def test_closed_range_leaves_the_open_kline_out() -> None:
    now_ms = at("2024-01-02") + 90 * 60_000

    span = closed_range(Interval.H1, at("2024-01-01"), None, now_ms)

    assert span == (at("2024-01-01"), at("2024-01-02") + HOUR_MS)


def test_closed_range_takes_a_kline_at_the_millisecond_after_its_close() -> None:
    end_ms = at("2024-01-01") + HOUR_MS

    assert closed_range(Interval.H1, 0, None, end_ms).end_ms == end_ms
    assert closed_range(Interval.H1, 0, None, end_ms - 1).end_ms == end_ms - HOUR_MS


def test_closed_range_goes_by_open_times_at_both_ends() -> None:
    span = closed_range(Interval.D1, at("2024-01-01") + 1, at("2024-01-03") + 1, FAR_MS)

    assert span == (at("2024-01-02"), at("2024-01-04"))


def test_common_ranges_are_those_in_both() -> None:
    ranges = [Range(0, 10), Range(20, 30)]

    assert common_ranges(ranges, [Range(5, 25)]) == [Range(5, 10), Range(20, 25)]


def test_whole_months_come_as_monthly_files() -> None:
    missing = [Range(at("2021-01-01"), at("2021-04-01"))]

    files = plan_files("BTCUSDT", Interval.M1, Period.MONTHLY, missing, FAR_MS)

    assert names(files) == ["BTCUSDT-1m-2021-01", "BTCUSDT-1m-2021-02", "BTCUSDT-1m-2021-03"]


def test_files_are_not_looked_for_before_their_time_has_passed() -> None:
    now_ms = at("2021-02-20") + 15 * HOUR_MS
    missing = [Range(at("2021-01-01"), now_ms)]

    months = plan_files("BTCUSDT", Interval.H1, Period.MONTHLY, missing, now_ms)
    days = plan_files("BTCUSDT", Interval.H1, Period.DAILY, missing, now_ms)

    assert names(months) == ["BTCUSDT-1h-2021-01"]
    assert names(days)[-1] == "BTCUSDT-1h-2021-02-19"
    assert len(days) == 31 + 19


def test_a_small_hole_is_not_worth_a_file() -> None:
    missing = [Range(at("2021-01-05"), at("2021-01-05") + 11 * HOUR_MS)]

    assert plan_files("BTCUSDT", Interval.H1, Period.MONTHLY, missing, FAR_MS) == []
    assert plan_files("BTCUSDT", Interval.H1, Period.DAILY, missing, FAR_MS) == []


def test_less_than_half_a_month_is_worth_a_file_when_it_is_many_pages() -> None:
    missing = [Range(at("2021-01-25"), at("2021-02-01"))]

    assert plan_files("BTCUSDT", Interval.M1, Period.MONTHLY, missing, FAR_MS)
    assert not plan_files("BTCUSDT", Interval.H1, Period.MONTHLY, missing, FAR_MS)


def test_days_of_few_klines_are_left_to_rest() -> None:
    missing = [Range(at("2021-01-01"), at("2021-02-01"))]

    for interval in (Interval.H2, Interval.D1, Interval.D3, Interval.W1, Interval.MO1):
        assert plan_files("BTCUSDT", interval, Period.DAILY, missing, FAR_MS) == []


def test_a_month_of_seconds_is_too_much_for_one_file() -> None:
    missing = [Range(at("2021-01-01"), at("2021-02-01"))]

    assert plan_files("BTCUSDT", Interval.S1, Period.MONTHLY, missing, FAR_MS) == []
    assert len(plan_files("BTCUSDT", Interval.S1, Period.DAILY, missing, FAR_MS)) == 31


def test_near_holes_share_a_page_and_far_ones_do_not() -> None:
    near = [Range(0, HOUR_MS), Range(PAGE_KLINES * HOUR_MS - HOUR_MS, PAGE_KLINES * HOUR_MS)]
    far = [Range(0, HOUR_MS), Range(PAGE_KLINES * HOUR_MS, (PAGE_KLINES + 1) * HOUR_MS)]

    assert plan_pages(Interval.H1, near) == [Range(0, PAGE_KLINES * HOUR_MS)]
    assert plan_pages(Interval.H1, far) == far


_days = st.integers(min_value=18_000, max_value=19_000)
_holes = st.lists(
    st.tuples(_days, st.integers(1, 60)).map(
        lambda hole: Range(hole[0] * DAY_MS, (hole[0] + hole[1]) * DAY_MS)
    ),
    min_size=1,
    max_size=6,
).map(merge_ranges)
_intervals = st.sampled_from([i for i in Interval if i.step_ms and i.step_ms <= DAY_MS])


@given(_holes, _intervals)
def test_pages_cover_all_that_is_missing(missing: list[Range], interval: Interval) -> None:
    pages = plan_pages(interval, missing)

    assert subtract_ranges(missing, pages) == []
    assert pages == merge_ranges(pages)


@given(_holes, _intervals, st.sampled_from(Period))
def test_files_touch_what_is_missing_and_never_overlap(
    missing: list[Range], interval: Interval, period: Period
) -> None:
    files = plan_files("BTCUSDT", interval, period, missing, FAR_MS)

    spans = [file.span for file in files]
    assert all(subtract_ranges([span], missing) != [span] for span in spans)
    assert all(a.end_ms <= b.start_ms for a, b in zip(spans, spans[1:], strict=False))


@given(_holes, st.sampled_from([Interval.M1, Interval.M15, Interval.H1]))
def test_days_cover_whole_missing_days(missing: list[Range], interval: Interval) -> None:
    files = plan_files("BTCUSDT", interval, Period.DAILY, missing, FAR_MS)

    assert merge_ranges(file.span for file in files) == missing
