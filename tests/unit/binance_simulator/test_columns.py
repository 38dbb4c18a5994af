from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from binance_simulator.columns import in_microseconds, pack, parse_csv
from market.errors import DataError
from market.interval import Interval
from support.archive import archive_csv
from support.klines import make_klines

KLINES = make_klines(Interval.M1, 30)


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(0, 30))
def test_columns_give_back_any_rows(start: int, stop: int) -> None:
    columns = pack(KLINES)

    assert columns.klines(start, stop) == KLINES[start:stop]
    assert orjson.loads(b"[" + columns.json(start, stop) + b"]") == [
        list(kline) for kline in KLINES[start:stop]
    ]


@settings(deadline=None)
@given(st.integers(-120_000, 31 * 60_000))
def test_position_counts_klines_that_open_before(offset_ms: int) -> None:
    time_ms = KLINES[0].open_time_ms + offset_ms

    position = pack(KLINES).position(time_ms)

    assert position == sum(kline.open_time_ms < time_ms for kline in KLINES)


@pytest.mark.parametrize("year_ms", [1_704_067_200_000, 1_735_689_600_000])
@pytest.mark.parametrize("header", ["", "open_time,open,high,low,close,volume\n"])
def test_parse_csv_reads_both_units_with_and_without_header(year_ms: int, header: str) -> None:
    klines = make_klines(Interval.H1, 5, start_ms=year_ms)

    assert list(parse_csv(header + archive_csv(klines), "a file")) == klines


@pytest.mark.parametrize("line", ["1,2,3", "1704067200000,a,b,c,d,e,x,f,1,g,h,0", ""])
def test_parse_csv_names_the_line_it_cannot_read(line: str) -> None:
    text = archive_csv(KLINES[:2]) + line + "\n"

    with pytest.raises(DataError, match="a file line 3"):
        list(parse_csv(text, "a file"))


def test_in_microseconds_closes_at_the_last_microsecond() -> None:
    kline = in_microseconds(KLINES[0])

    assert kline.open_time_ms == KLINES[0].open_time_ms * 1000
    assert kline.close_time_ms == (KLINES[0].close_time_ms + 1) * 1000 - 1
