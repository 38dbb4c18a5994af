"""When Binance's spot market stood still: known outages, for the causes of gaps.

Source: the holes of BTCUSDT klines (1m, and 1h from 2017-08 to 2023-12), and the outages users
reported in the issues of github.com/binance/binance-public-data (169, 312, 365, 368). Where
only the hours are known the window takes in the hours on both sides, which were cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from market.gaps import Range
from market.interval import HOUR_MS, MINUTE_MS
from market.times import parse_time_ms

#: First missing minute -> first minute of trading again, UTC.
_MINUTES = (
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
#: Last hour with a trade before -> first hour with one after, UTC.
_HOURS = (
    ("2019-08-15T01Z", "2019-08-15T10Z"),
    ("2019-11-13T01Z", "2019-11-13T04Z"),
    ("2019-11-25T01Z", "2019-11-25T04Z"),
    ("2020-02-09T01Z", "2020-02-09T03Z"),
    ("2020-02-19T11Z", "2020-02-19T17Z"),
    ("2020-03-04T09Z", "2020-03-04T11Z"),
    ("2020-04-25T01Z", "2020-04-25T04Z"),
    ("2020-06-28T01Z", "2020-06-28T05Z"),
    ("2020-11-30T05Z", "2020-11-30T07Z"),
    ("2021-02-11T03Z", "2021-02-11T05Z"),
    ("2021-03-06T01Z", "2021-03-06T03Z"),
    ("2021-04-20T01Z", "2021-04-20T04Z"),
    ("2021-04-25T04Z", "2021-04-25T08Z"),
    ("2021-08-13T01Z", "2021-08-13T06Z"),
    ("2021-09-29T06Z", "2021-09-29T09Z"),
)


def _windows(pairs: Iterable[tuple[str, str]], reach_ms: int) -> Iterable[Range]:
    for start, end in pairs:
        yield Range(parse_time_ms("start", start), parse_time_ms("end", end) + reach_ms)


#: The known outages, ascending.
CALENDAR = tuple(sorted([*_windows(_MINUTES, 0), *_windows(_HOURS, HOUR_MS)]))
#: Pairs did not all stop and start in the same minute.
SLACK_MS = 15 * MINUTE_MS


def is_outage(hole: Range, outages: Sequence[Range] = CALENDAR) -> bool:
    """Tell whether a range of missing open times lies within an outage."""
    return any(
        window.start_ms - SLACK_MS <= hole.start_ms and hole.end_ms <= window.end_ms + SLACK_MS
        for window in outages
    )
