"""Plans: which files and pages for what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from market.gaps import Range, merge_ranges, subtract_ranges
from market.interval import DAY_MS, HOUR_MS, Interval
from market.times import parse_time_ms
from populate_base.archive_file import ArchiveFile, Period
from populate_base.plan import (
    COSTS,
    PAGE_KLINES,
    Holdings,
    Plan,
    closed_range,
    common_ranges,
    plan_pages,
    plan_sources,
)

FAR_MS = parse_time_ms("time", "2030-01-01")


def at(text: str) -> int:
    return parse_time_ms("time", text)


def plan(
    interval: Interval,
    missing: Sequence[Range],
    holdings: Holdings = Holdings(),  # noqa: B008  immutable
    now_ms: int = FAR_MS,
) -> Plan:
    return plan_sources("BTCUSDT", interval, missing, holdings, now_ms)


def names(plan: Plan) -> list[str]:
    return [file.name.removesuffix(".zip") for file in plan.files]


def file_of(interval: Interval, period: Period, date: str) -> ArchiveFile:
    return ArchiveFile("BTCUSDT", interval, period, at(date))


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
    found = plan(Interval.M1, [Range(at("2021-01-01"), at("2021-04-01"))])

    assert names(found) == ["BTCUSDT-1m-2021-01", "BTCUSDT-1m-2021-02", "BTCUSDT-1m-2021-03"]
    assert found.pages == []


def test_months_then_days_then_pages() -> None:
    now_ms = at("2021-02-20") + 15 * HOUR_MS

    found = plan(Interval.M1, [Range(at("2021-01-01"), now_ms)], now_ms=now_ms)

    assert names(found)[:2] == ["BTCUSDT-1m-2021-01", "BTCUSDT-1m-2021-02-01"]
    assert names(found)[-1] == "BTCUSDT-1m-2021-02-19"
    assert len(found.files) == 1 + 19
    assert found.pages == [Range(at("2021-02-20"), now_ms)]


def test_a_file_is_not_asked_for_before_its_time_has_passed() -> None:
    now_ms = at("2021-02-01") - 1

    found = plan(Interval.M1, [Range(at("2021-01-01"), at("2021-02-01"))], now_ms=now_ms)

    assert "BTCUSDT-1m-2021-01" not in names(found)
    assert names(found)[-1] == "BTCUSDT-1m-2021-01-30"


def test_a_small_hole_is_not_worth_a_file() -> None:
    for hours in (1, 3):
        hole = Range(at("2021-01-05"), at("2021-01-05") + hours * HOUR_MS)
        assert plan(Interval.M1, [hole]) == Plan([], [hole])


def test_a_day_is_cheaper_than_its_month() -> None:
    found = plan(Interval.M1, [Range(at("2021-01-05"), at("2021-01-06"))])

    assert names(found) == ["BTCUSDT-1m-2021-01-05"]


def test_most_of_a_month_comes_as_its_file() -> None:
    found = plan(Interval.M1, [Range(at("2021-01-09"), at("2021-02-01"))])

    assert names(found) == ["BTCUSDT-1m-2021-01"]


def test_few_klines_come_as_pages_where_files_would_be_many() -> None:
    missing = [Range(at("2018-01-01"), at("2021-01-01"))]

    for interval in (Interval.D1, Interval.D3, Interval.W1, Interval.MO1):
        assert plan(interval, missing) == Plan([], missing)


def test_days_that_do_not_exist_are_not_planned() -> None:
    missing = [Range(at("2021-01-04"), at("2021-01-25"))]
    away = Holdings(tried=[file_of(Interval.W1, Period.MONTHLY, "2021-01-01")])

    for interval in (Interval.D3, Interval.W1, Interval.MO1):
        assert all(file.period is Period.MONTHLY for file in plan(interval, missing, away).files)


def test_a_month_of_seconds_comes_as_one_file() -> None:
    found = plan(Interval.S1, [Range(at("2021-01-01"), at("2021-02-01"))])

    assert names(found) == ["BTCUSDT-1s-2021-01"]


def test_what_the_listing_lacks_is_planned_from_the_next_source() -> None:
    months = {file_of(Interval.M1, Period.MONTHLY, "2021-01-01"): 2_500_000}
    missing = [Range(at("2021-01-01"), at("2021-03-01"))]

    listed = plan(Interval.M1, missing, Holdings({Period.MONTHLY: months}))
    both = plan(Interval.M1, missing, Holdings({Period.MONTHLY: months, Period.DAILY: {}}))

    assert names(listed)[:2] == ["BTCUSDT-1m-2021-01", "BTCUSDT-1m-2021-02-01"]
    assert len(listed.files) == 1 + 28
    assert names(both) == ["BTCUSDT-1m-2021-01"]
    assert both.pages == [Range(at("2021-02-01"), at("2021-03-01"))]


def test_a_listed_file_is_there_before_its_time_has_passed() -> None:
    months = {file_of(Interval.M1, Period.MONTHLY, "2021-01-01"): 2_500_000}
    span = Range(at("2021-01-01"), at("2021-02-01"))

    found = plan(Interval.M1, [span], Holdings({Period.MONTHLY: months}), span.end_ms - 1)

    assert names(found) == ["BTCUSDT-1m-2021-01"]


def test_the_size_in_the_listing_counts() -> None:
    month = file_of(Interval.M1, Period.MONTHLY, "2021-01-01")
    missing = [Range(at("2021-01-01"), at("2021-02-01"))]

    small = plan(Interval.M1, missing, Holdings({Period.MONTHLY: {month: 2_500_000}}))
    bloated = plan(Interval.M1, missing, Holdings({Period.MONTHLY: {month: 250_000_000}}))

    assert names(small) == ["BTCUSDT-1m-2021-01"]
    assert len(bloated.files) == 31


def test_what_was_tried_is_not_planned_again() -> None:
    month = file_of(Interval.M1, Period.MONTHLY, "2021-01-01")
    missing = [Range(at("2021-01-01"), at("2021-01-03"))]
    days = plan(Interval.M1, missing).files

    assert plan(Interval.M1, missing, Holdings(tried=[month, *days])) == Plan([], missing)


def test_an_archive_that_is_away_leaves_all_to_pages() -> None:
    missing = [Range(at("2021-01-01"), at("2021-06-01"))]

    assert plan(Interval.S1, missing, Holdings(is_away=True)) == Plan([], missing)


def test_near_holes_share_a_page_and_far_ones_do_not() -> None:
    near = [Range(0, HOUR_MS), Range(PAGE_KLINES * HOUR_MS - HOUR_MS, PAGE_KLINES * HOUR_MS)]
    far = [Range(0, HOUR_MS), Range(PAGE_KLINES * HOUR_MS, (PAGE_KLINES + 1) * HOUR_MS)]

    assert plan_pages(Interval.H1, near) == [Range(0, PAGE_KLINES * HOUR_MS)]
    assert plan_pages(Interval.H1, far) == far


_INTERVALS = st.sampled_from(list(Interval))
_START_DAY = at("2021-01-20") // DAY_MS


@st.composite
def _ranges(draw: st.DrawFn, interval: Interval, most: int) -> list[Range]:
    """Ranges on the grid, of a few slots or of many, some ending with a day or a month."""
    grids = [interval, interval, Interval.D1, Interval.MO1]
    found = []
    for _ in range(draw(st.integers(0, most))):
        edges = [
            (_START_DAY + draw(st.integers(0, 100))) * DAY_MS + draw(st.integers(0, DAY_MS - 1))
            for _ in range(2)
        ]
        grid = draw(st.sampled_from(grids))
        if draw(st.booleans()):
            edges[1] = edges[0] + draw(st.integers(1, 3_000)) * interval.typical_ms
        start_ms, end_ms = (interval.ceil(grid.floor(edge)) for edge in sorted(edges))
        found.append(Range(start_ms, end_ms))
    return merge_ranges(found)


@st.composite
def _holdings(draw: st.DrawFn, interval: Interval) -> Holdings:
    """An archive that was listed or not, with holes of its own."""
    listed = {}
    tried = []
    for period in Period:
        starts = period.grid.iter_opens(at("2021-01-01"), at("2021-06-01"))
        files = [ArchiveFile("BTCUSDT", interval, period, start_ms) for start_ms in starts]
        if draw(st.booleans()):
            lost = draw(st.sets(st.sampled_from(files), max_size=20))
            listed[period] = {file: file.slots * 60 for file in files if file not in lost}
        tried += draw(st.lists(st.sampled_from(files), max_size=5))
    return Holdings(listed, frozenset(tried), is_away=draw(st.sampled_from([False] * 9 + [True])))


@st.composite
def _cases(draw: st.DrawFn) -> tuple[Interval, list[Range], Holdings, int]:
    interval = draw(_INTERVALS)
    (wanted,) = draw(_ranges(interval, 1)) or [Range(interval.ceil(at("2021-02-01")), FAR_MS)]
    wanted = Range(wanted.start_ms, min(wanted.end_ms, interval.floor(at("2021-05-20"))))
    stored, explained = draw(_ranges(interval, 4)), draw(_ranges(interval, 2))
    missing = subtract_ranges([wanted], [*stored, *explained])
    now_ms = at("2021-05-20") + draw(st.integers(0, DAY_MS))
    return interval, missing, draw(_holdings(interval)), now_ms


def _slots(interval: Interval, ranges: Sequence[Range]) -> int:
    return sum(interval.count(*span) for span in ranges)


@settings(max_examples=120, deadline=None)
@given(_cases())
def test_a_plan_brings_every_missing_slot_from_one_source(
    case: tuple[Interval, list[Range], Holdings, int],
) -> None:
    interval, missing, holdings, now_ms = case

    found = plan_sources("BTCUSDT", interval, missing, holdings, now_ms)

    spans = [file.span for file in found.files]
    by_files = common_ranges(missing, spans)
    by_pages = common_ranges(missing, found.pages)
    assert _slots(interval, subtract_ranges(missing, [*spans, *found.pages])) == 0
    assert _slots(interval, by_files) + _slots(interval, by_pages) == _slots(interval, missing)
    assert spans == sorted(spans)
    assert all(a.end_ms <= b.start_ms for a, b in zip(spans, spans[1:], strict=False))
    assert all(_slots(interval, common_ranges(missing, [span])) > 0 for span in spans)
    assert all(holdings.offers(file, now_ms) for file in found.files)
    assert found.pages == merge_ranges(found.pages)
    for run in found.pages:
        assert _slots(interval, common_ranges(missing, [run])) > 0
        assert {run.start_ms, run.end_ms} <= {edge for hole in missing for edge in hole} | {
            edge for span in spans for edge in span
        }


def _cost(interval: Interval, missing: Sequence[Range], plan: Plan, holdings: Holdings) -> float:
    cost = COSTS.of_paged(_slots(interval, common_ranges(missing, plan.pages)))
    for file in plan.files:
        wanted = _slots(interval, common_ranges(missing, [file.span]))
        cost += COSTS.of_file(file.slots, wanted, holdings.size_of(file))
    pages = sum(-(-interval.count(*run) // PAGE_KLINES) for run in plan.pages)
    return cost + pages * COSTS.of_page()


@settings(max_examples=60, deadline=None)
@given(_cases())
def test_no_plan_of_fewer_sources_is_cheaper(
    case: tuple[Interval, list[Range], Holdings, int],
) -> None:
    interval, missing, holdings, now_ms = case

    found = plan_sources("BTCUSDT", interval, missing, holdings, now_ms)

    cost = _cost(interval, missing, found, holdings)
    for without in ({Period.MONTHLY: {}}, {Period.DAILY: {}}, dict.fromkeys(Period, {})):
        poorer = holdings._replace(listed={**holdings.listed, **without})
        other = plan_sources("BTCUSDT", interval, missing, poorer, now_ms)
        assert cost <= _cost(interval, missing, other, holdings) + 1e-6
    for lost in found.files[:3]:
        poorer = holdings._replace(tried=[*holdings.tried, lost])
        other = plan_sources("BTCUSDT", interval, missing, poorer, now_ms)
        assert cost <= _cost(interval, missing, other, holdings) + 1e-6
