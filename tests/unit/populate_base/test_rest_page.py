"""Pages: the quick look and the exact one agree."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from market.errors import DataError
from market.gaps import Range
from market.interval import Interval
from market.kline import Kline
from populate_base.parse import check_klines, parse_rest_row
from populate_base.rest_page import parse_page
from support.klines import START_MS, make_klines

HOURS = make_klines(Interval.H1, 50)
SPAN = Range(START_MS, HOURS[-1].open_time_ms + 1)
#: Not the same, but the same float.
LARGE, LARGER = "123456789012.00000001", "123456789012.00000002"
PRICES = st.sampled_from(["1.00000000", "0.99999999", "1.00000001", LARGE, LARGER])


def test_a_page_is_what_was_sent() -> None:
    assert parse_page([list(row) for row in HOURS], SPAN, "here") == HOURS


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0, str(START_MS)),
        (5, 1.12345678),
        (0, START_MS * 1000),
        (1, "42000"),
        (5, "1.5"),
        (8, "7"),
        (11, "12.25"),
    ],
)
def test_rows_that_are_written_otherwise_are_read_all_the_same(index: int, value: object) -> None:
    row: list[object] = list(
        HOURS[0]._replace(low="1.00000000", open="42000.00000000", high="99999.0")
    )
    row[6] = START_MS * 1000 + 3_599_999_999 if value == START_MS * 1000 else row[6]
    row[index] = value

    (kline,) = parse_page([row], SPAN, "here")

    assert kline == parse_rest_row(row)
    assert kline.open_time_ms == START_MS


@pytest.mark.parametrize("value", [True, -1, "1e5", None, "٤٢.00000000", [], "1.000000001"])
@pytest.mark.parametrize("index", range(12))
def test_a_value_that_is_none_is_refused(index: int, value: object) -> None:
    row: list[object] = list(HOURS[0])
    row[index] = value

    with pytest.raises(DataError):
        parse_page([row], SPAN, "here")


def test_a_repeated_row_counts_once() -> None:
    rows = [list(row) for row in [*HOURS[:3], HOURS[2], *HOURS[3:]]]

    assert parse_page(rows, SPAN, "here") == HOURS


@pytest.mark.parametrize("sent", [{"code": 0}, [1], [[1, 2]], [None]])
def test_what_is_no_page_is_named(sent: object) -> None:
    with pytest.raises(DataError):
        parse_page(sent, SPAN, "here")


def test_rows_of_another_range_or_order_are_refused() -> None:
    rows = [list(row) for row in HOURS]

    with pytest.raises(DataError, match="does not open in"):
        parse_page(rows, Range(START_MS + 1, SPAN.end_ms), "here")
    with pytest.raises(DataError, match="follows"):
        parse_page(rows[::-1], SPAN, "here")


@example(open=LARGE, high=LARGE, low=LARGER, close=LARGE, closes=0)
@example(open=LARGER, high=LARGE, low=LARGER, close=LARGER, closes=0)
@given(open=PRICES, high=PRICES, low=PRICES, close=PRICES, closes=st.integers(-1, 2))
def test_the_quick_look_agrees_with_the_exact_one(
    open: str, high: str, low: str, close: str, closes: int
) -> None:
    kline = HOURS[0]._replace(
        open=open, high=high, low=low, close=close, close_time_ms=START_MS + closes
    )

    def outcome(check: object) -> object:
        assert callable(check)
        try:
            return check()
        except DataError as error:
            return error.detail

    exact = outcome(lambda: check_klines([kline], SPAN, "here"))
    assert outcome(lambda: parse_page([list(kline)], SPAN, "here")) == exact
    assert exact == [kline] or isinstance(exact, str)
    assert Kline(*kline) == kline
