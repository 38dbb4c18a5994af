"""When Binance's spot market stood still: known outages, for the causes of gaps.

Source: the holes of BTCUSDT 1m klines, and the outages users reported in the issues of
github.com/binance/binance-public-data (169, 312, 365, 368). Where only the day is known the
window is the day.
"""

from __future__ import annotations

from market.gaps import Range
from market.interval import DAY_MS, MINUTE_MS
from market.times import parse_time_ms

#: First missing minute -> first minute of trading again, UTC.
_WINDOWS = (
    ("2017-09-06T16:01Z", "2017-09-06T23:00Z"),
    ("2017-12-04T06:01Z", "2017-12-04T06:49Z"),
    ("2017-12-18T10:01Z", "2017-12-18T10:14Z"),
    ("2017-12-18T12:30Z", "2017-12-18T13:34Z"),
    ("2018-01-04T03:01Z", "2018-01-04T05:06Z"),
    ("2018-02-08T00:29Z", "2018-02-09T10:00Z"),
    ("2018-02-10T06:00Z", "2018-02-10T06:15Z"),
    ("2018-02-11T04:01Z", "2018-02-11T04:35Z"),
    ("2018-06-26T02:00Z", "2018-06-26T12:00Z"),
    ("2018-06-27T13:00Z", "2018-06-27T14:45Z"),
    ("2018-07-04T00:23Z", "2018-07-04T08:00Z"),
    ("2018-10-19T06:00Z", "2018-10-19T09:30Z"),
    ("2018-11-14T02:00Z", "2018-11-14T09:00Z"),
    ("2019-03-12T02:00Z", "2019-03-12T08:00Z"),
    ("2019-05-15T03:00Z", "2019-05-15T13:00Z"),
    ("2020-12-21T13:48Z", "2020-12-21T18:00Z"),
    ("2020-12-25T02:00Z", "2020-12-25T03:00Z"),
    ("2023-03-24T12:40Z", "2023-03-24T14:00Z"),
)
_DAYS = (
    "2020-02-19",
    "2020-04-25",
    "2020-06-28",
    "2021-02-11",
    "2021-04-25",
    "2021-08-13",
    "2021-09-29",
)


def _calendar() -> tuple[Range, ...]:
    windows = [
        Range(parse_time_ms("start", start), parse_time_ms("end", end)) for start, end in _WINDOWS
    ]
    days = [parse_time_ms("day", day) for day in _DAYS]
    return tuple(sorted([*windows, *(Range(day, day + DAY_MS) for day in days)]))


_CALENDAR = _calendar()
#: Pairs did not all stop and start in the same minute.
_SLACK_MS = 15 * MINUTE_MS


def is_outage(hole: Range) -> bool:
    """Tell whether a range of missing open times lies within a known outage."""
    return any(
        window.start_ms - _SLACK_MS <= hole.start_ms and hole.end_ms <= window.end_ms + _SLACK_MS
        for window in _CALENDAR
    )
