"""Outages by agreement of several symbols."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from market.gaps import Cause, Gap, Range
from market.interval import HOUR_MS, MINUTE_MS, Interval
from market.times import parse_time_ms
from populate_base.agreement import QUORUM, Witness, find_outages, refine_causes

#: A day that is in no calendar.
DAY = parse_time_ms("time", "2022-05-05")
H1, M1, D1 = Interval.H1, Interval.M1, Interval.D1


def hours(start: int, end: int) -> Range:
    return Range(DAY + start * HOUR_MS, DAY + end * HOUR_MS)


def witness(
    symbol: str, *holes: Range, interval: Interval = H1, known: Range | None = None
) -> Witness:
    return Witness(symbol, interval, (known or hours(0, 24),), holes)


def test_what_two_of_two_symbols_miss_is_an_outage() -> None:
    seen = [witness("BTCUSDT", hours(3, 8)), witness("ETHUSDT", hours(4, 9))]

    assert find_outages(seen, H1) == [hours(4, 8)]


def test_one_symbol_alone_proves_nothing() -> None:
    assert find_outages([witness("BTCUSDT", hours(3, 8))], H1) == []
    assert find_outages([witness("BTCUSDT", hours(3, 8)), witness("ETHUSDT")], H1) == []


def test_symbols_that_traded_outvote_those_with_lost_files() -> None:
    lost = [witness(f"LOST{number}", hours(3, 8)) for number in range(3)]
    traded = [witness(f"LIVE{number}") for number in range(3)]

    assert find_outages([*lost, *traded], H1) == []
    assert find_outages([*lost, *traded[:2]], H1) == [hours(3, 8)]


def test_symbols_not_listed_yet_have_no_say() -> None:
    seen = [witness("BTCUSDT", hours(3, 8)), witness("ETHUSDT", hours(3, 8))]
    late = [witness(f"LATE{number}", known=hours(12, 24)) for number in range(9)]

    assert find_outages([*seen, *late], H1) == [hours(3, 8)]


def test_finer_klines_of_a_symbol_speak_before_its_coarser_ones() -> None:
    # The hourly file was lost, the minutes were traded.
    seen = [
        witness("BTCUSDT", hours(3, 8)),
        witness("BTCUSDT", interval=M1),
        witness("ETHUSDT", hours(3, 8)),
    ]

    assert find_outages(seen, H1) == []


def test_missing_minutes_make_a_missing_hour_an_outage() -> None:
    seen = [
        witness("BTCUSDT", hours(3, 8), interval=M1),
        witness("ETHUSDT", hours(3, 8), interval=H1),
    ]

    assert find_outages(seen, H1) == [hours(3, 8)]


def test_a_coarser_kline_proves_no_trading_within_it() -> None:
    seen = [
        witness("BTCUSDT", hours(3, 8)),
        witness("ETHUSDT", hours(3, 8)),
        *(witness(f"DAILY{number}", interval=D1) for number in range(9)),
    ]

    assert find_outages(seen, H1) == [hours(3, 8)]
    assert find_outages(seen, D1) == []


spans = st.lists(
    st.builds(
        lambda start, length: Range(start, start + length), st.integers(0, 40), st.integers(1, 9)
    ),
    max_size=4,
)
series = st.builds(
    Witness,
    st.sampled_from(["A", "B", "C", "D", "E"]),
    st.sampled_from([M1, H1, D1]),
    spans.map(tuple),
    spans.map(tuple),
)


@given(st.lists(series, max_size=8), st.sampled_from([M1, H1, D1]))
def test_agreement_matches_a_count_at_every_moment(seen: list[Witness], interval: Interval) -> None:
    found = find_outages(seen, interval)

    for moment in range(60):
        silent = traded = 0
        for symbol in {one.symbol for one in seen}:
            verdict = verdict_at(moment, [one for one in seen if one.symbol == symbol], interval)
            silent += verdict == "silent"
            traded += verdict == "traded"
        stood_still = silent >= QUORUM and silent > traded
        assert covers(found, moment) == stood_still


def verdict_at(moment: int, own: list[Witness], interval: Interval) -> str:
    for one in sorted(own, key=lambda one: one.interval.typical_ms):
        if not covers(one.known, moment):
            continue
        if covers(one.holes, moment):
            return "silent"
        if one.interval.typical_ms <= interval.typical_ms:
            return "traded"
    return "says nothing"


def covers(ranges: tuple[Range, ...] | list[Range], moment: int) -> bool:
    return any(start <= moment < end for start, end in ranges)


def test_a_lost_hole_becomes_an_outage_and_back() -> None:
    lost = [Gap(*hours(3, 8), Cause.SOURCE_MISSING)]

    refined = refine_causes(lost, H1, [hours(3, 8)])

    assert refined == [Gap(*hours(3, 8), Cause.OUTAGE)]
    assert refine_causes(refined, H1, []) == lost


def test_an_outage_within_a_longer_hole_takes_its_part() -> None:
    lost = [Gap(*hours(3, 20), Cause.SOURCE_MISSING)]

    assert refine_causes(lost, H1, [hours(5, 8)]) == [
        Gap(*hours(3, 5), Cause.SOURCE_MISSING),
        Gap(*hours(5, 8), Cause.OUTAGE),
        Gap(*hours(8, 20), Cause.SOURCE_MISSING),
    ]


def test_a_pair_that_starts_some_minutes_later_had_the_same_outage() -> None:
    outage = hours(5, 8)
    hole = Range(outage.start_ms - 2 * MINUTE_MS, outage.end_ms + 9 * MINUTE_MS)

    refined = refine_causes([Gap(*hole, Cause.SOURCE_MISSING)], M1, [outage])

    assert refined == [Gap(*hole, Cause.OUTAGE)]


def test_other_causes_and_the_calendar_stay() -> None:
    known = Range(parse_time_ms("t", "2018-02-08T00:29Z"), parse_time_ms("t", "2018-02-09T10:00Z"))
    gaps = [
        Gap(0, HOUR_MS, Cause.NOT_LISTED),
        Gap(*known, Cause.OUTAGE),
        Gap(*hours(3, 8), Cause.REPAIRABLE),
    ]

    assert refine_causes(gaps, M1, [hours(0, 24)]) == gaps
    assert refine_causes(gaps, M1, []) == gaps


@given(spans, spans)
def test_refining_neither_adds_nor_loses_time(holes: list[Range], outages: list[Range]) -> None:
    def scaled(ranges: list[Range]) -> list[Range]:
        return [hours(start, end) for start, end in ranges]

    gaps = [Gap(*hole, Cause.SOURCE_MISSING) for hole in scaled(holes)]
    refined = refine_causes(gaps, H1, scaled(outages))

    def slots(ranges: list[Gap]) -> set[int]:
        return {ms for gap in ranges for ms in range(gap.start_ms, gap.end_ms, HOUR_MS)}

    assert slots(refined) == slots(gaps)
    assert refine_causes(refined, H1, scaled(outages)) == refined


def test_a_known_outage_keeps_its_part_of_a_longer_hole() -> None:
    end_ms = parse_time_ms("t", "2023-03-24T14:00Z")
    hole = Range(end_ms - HOUR_MS, end_ms + 5 * HOUR_MS)

    refined = refine_causes([Gap(*hole, Cause.SOURCE_MISSING)], H1, [])

    assert refined[0].cause is Cause.OUTAGE
    assert refined[1] == Gap(end_ms, hole.end_ms, Cause.SOURCE_MISSING)
