from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.errors import DataError
from market.interval import Interval
from market.kline import KLINE_FIELDS, Kline, check_kline, exact_kline, is_irregular
from support.kline_strategies import klines
from support.klines import make_klines

KLINE = make_klines(Interval.H1, 1)[0]


def changed(**values: object) -> Kline:
    return Kline(**{**KLINE._asdict(), **values})  # type: ignore[arg-type]


def test_fields_are_binances_in_its_order() -> None:
    named = [name.removesuffix("_ms") for name in Kline._fields]

    assert tuple(named) == KLINE_FIELDS
    assert list(Kline(*list(KLINE))) == list(KLINE)


@given(klines())
def test_binances_own_writing_is_left_as_it_is(kline: Kline) -> None:
    assert exact_kline(kline) is kline


@given(st.decimals(0, 10**11, places=8), st.sampled_from(["", "0", "00"]))
def test_other_writing_becomes_binances(number: Decimal, zeros: str) -> None:
    written = f"{number.normalize():f}"
    written = written + zeros if "." in written else written

    exact = exact_kline(changed(open=written, volume=f"{number:e}"))

    assert exact.open == exact.volume == f"{number:.8f}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("open", "0.000000001"),
        ("close", "1000000000000"),
        ("volume", "1e21"),
        ("volume", "-1"),
        ("low", "-0.00000001"),
        ("high", "Infinity"),
        ("high", "nan"),
        ("high", ""),
        ("high", "1,5"),
        ("open_time_ms", -1),
        ("close_time_ms", 10**15),
        ("number_of_trades", -1),
        ("number_of_trades", 1.5),
        ("ignore", "x" * 41),
        ("ignore", "tab\there"),
        ("ignore", "back\\slash"),
        ("ignore", "żółw"),
    ],
)
def test_what_cannot_be_kept_is_refused(field: str, value: object) -> None:
    with pytest.raises(DataError, match="kline") as caught:
        exact_kline(changed(**{field: value}))

    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("values", "irregular"),
    [
        ({}, False),
        ({"open_time_ms": KLINE.open_time_ms + 1}, True),
        ({"close_time_ms": KLINE.close_time_ms - 1}, True),
    ],
)
def test_irregular_is_off_the_grid(values: dict[str, int], irregular: bool) -> None:
    assert is_irregular(changed(**values), Interval.H1) is irregular


def test_possible_kline_passes() -> None:
    check_kline(KLINE)
    check_kline(changed(open="1", high="1", low="1", close="1", volume="0", number_of_trades=0))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"low": "99999999"}, "low <= open"),
        ({"high": "0.1"}, "low <= open"),
        ({"close": "0.00000001"}, "low <= open"),
        ({"volume": "-1"}, "negative"),
        ({"number_of_trades": -1}, "negative"),
        ({"open": "x"}, "not a number"),
        ({"close_time_ms": 0}, "closes before"),
    ],
)
def test_impossible_kline_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_kline(changed(**values))
