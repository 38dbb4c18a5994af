"""Causes of gaps."""

from __future__ import annotations

from market.gaps import Cause, Gap, Range
from market.interval import DAY_MS, HOUR_MS, MINUTE_MS
from market.times import parse_time_ms
from populate_base.causes import Knowledge, name_causes
from populate_base.outages import is_outage

HOLE = Range(parse_time_ms("time", "2022-05-05"), parse_time_ms("time", "2022-05-06"))
LATER_MS = HOLE.end_ms + 30 * DAY_MS
NEWEST_END_MS = LATER_MS


def test_a_hole_nobody_was_asked_for_is_repairable() -> None:
    assert name_causes([HOLE], [], NEWEST_END_MS, Knowledge()) == [Gap(*HOLE, Cause.REPAIRABLE)]


def test_a_hole_in_every_source_is_source_missing() -> None:
    knowledge = Knowledge(lacking=(HOLE,), now_ms=LATER_MS)

    gaps = name_causes([HOLE], [], NEWEST_END_MS, knowledge)

    assert gaps == [Gap(*HOLE, Cause.SOURCE_MISSING)]


def test_a_hole_of_yesterday_may_still_be_filled() -> None:
    knowledge = Knowledge(lacking=(HOLE,), now_ms=HOLE.end_ms + DAY_MS)

    assert name_causes([HOLE], [], NEWEST_END_MS, knowledge)[0].cause is Cause.REPAIRABLE


def test_a_hole_within_a_known_outage_is_an_outage() -> None:
    start_ms = parse_time_ms("time", "2018-02-08T00:29Z")
    hole = Range(start_ms, parse_time_ms("time", "2018-02-09T10:00Z"))
    knowledge = Knowledge(lacking=(hole,), now_ms=hole.end_ms + HOUR_MS)

    assert name_causes([hole], [], NEWEST_END_MS, knowledge) == [Gap(*hole, Cause.OUTAGE)]


def test_before_the_first_kline_ever_the_symbol_was_not_listed() -> None:
    listed_ms = HOLE.start_ms + 4 * HOUR_MS

    gaps = name_causes([HOLE], [], NEWEST_END_MS, Knowledge(first_ever_ms=listed_ms))

    assert gaps == [
        Gap(HOLE.start_ms, listed_ms, Cause.NOT_LISTED),
        Gap(listed_ms, HOLE.end_ms, Cause.REPAIRABLE),
    ]


def test_nothing_after_the_newest_kline_is_a_gap() -> None:
    knowledge = Knowledge(lacking=(HOLE,), now_ms=LATER_MS)

    assert name_causes([HOLE], [], HOLE.start_ms, knowledge) == []


def test_known_causes_stay_and_touching_ones_are_joined() -> None:
    middle = HOLE.start_ms + HOUR_MS
    ledger = [Gap(HOLE.start_ms, middle, Cause.SOURCE_MISSING)]
    knowledge = Knowledge(lacking=(Range(middle, HOLE.end_ms),), now_ms=LATER_MS)

    gaps = name_causes([HOLE], ledger, NEWEST_END_MS, knowledge)

    assert gaps == [Gap(*HOLE, Cause.SOURCE_MISSING)]


def test_a_hole_longer_than_the_outage_is_none() -> None:
    start_ms = parse_time_ms("time", "2020-12-21T13:48Z")

    assert is_outage(Range(start_ms, start_ms + 252 * MINUTE_MS))
    assert not is_outage(Range(start_ms, start_ms + DAY_MS))
