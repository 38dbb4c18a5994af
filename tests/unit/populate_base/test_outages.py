"""The shipped calendar of outages."""

from __future__ import annotations

import pytest

from market.gaps import Range
from market.interval import DAY_MS, MINUTE_MS
from market.times import format_time, parse_time_ms
from populate_base.outages import CALENDAR, is_outage

#: Last minute before -> first minute after, as BTCUSDT's recorded 1m klines have it.
RECORDED = [
    ("2017-09-06T16:00Z", "2017-09-06T23:00Z"),
    ("2017-12-04T06:00Z", "2017-12-04T06:49Z"),
    ("2017-12-18T10:00Z", "2017-12-18T10:14Z"),
    ("2017-12-18T12:29Z", "2017-12-18T13:34Z"),
    ("2018-01-04T03:00Z", "2018-01-04T05:06Z"),
    ("2018-02-08T00:28Z", "2018-02-09T10:00Z"),
    ("2018-02-10T05:59Z", "2018-02-10T06:15Z"),
    ("2018-02-11T04:00Z", "2018-02-11T04:35Z"),
    ("2018-06-26T01:59Z", "2018-06-26T12:00Z"),
    ("2018-06-27T12:59Z", "2018-06-27T14:45Z"),
    ("2018-07-04T00:22Z", "2018-07-04T08:00Z"),
    ("2018-10-19T05:59Z", "2018-10-19T09:30Z"),
    ("2018-11-14T01:59Z", "2018-11-14T09:00Z"),
    ("2019-03-12T01:59Z", "2019-03-12T08:00Z"),
    ("2019-05-15T02:59Z", "2019-05-15T13:00Z"),
    ("2020-12-21T13:47Z", "2020-12-21T18:00Z"),
    ("2020-12-25T01:59Z", "2020-12-25T03:00Z"),
    ("2023-03-24T12:39Z", "2023-03-24T14:00Z"),
]
#: Reported by users, github.com/binance/binance-public-data.
REPORTED = ["2020-02-19", "2020-04-25", "2020-06-28", "2021-02-11", "2021-04-25", "2021-08-13"]


@pytest.mark.parametrize(("last", "first"), RECORDED)
def test_a_recorded_gap_is_an_outage(last: str, first: str) -> None:
    hole = Range(parse_time_ms("time", last) + MINUTE_MS, parse_time_ms("time", first))

    assert is_outage(hole)
    assert not is_outage(Range(hole.start_ms, hole.end_ms + DAY_MS))


@pytest.mark.parametrize("day", [*REPORTED, "2021-09-29"])
def test_a_reported_outage_is_in_the_calendar(day: str) -> None:
    assert day in {format_time(window.start_ms)[:10] for window in CALENDAR}


def test_the_calendar_ascends_without_overlap() -> None:
    ends = [0, *(window.end_ms for window in CALENDAR)]

    assert all(
        end <= window.start_ms < window.end_ms for end, window in zip(ends, CALENDAR, strict=False)
    )
