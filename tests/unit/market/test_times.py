from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.errors import InvalidParameter
from market.times import MAX_MS, format_time, parse_time_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-06-18", 1_718_668_800_000),
        ("2024-06-18T00:00:00Z", 1_718_668_800_000),
        ("2024-06-18T02:00:00+02:00", 1_718_668_800_000),
        ("2024-06-18 00:00:00.123Z", 1_718_668_800_123),
        ("1718668800000", 1_718_668_800_000),
        (1_718_668_800_000, 1_718_668_800_000),
        ("0", 0),
    ],
)
def test_time_is_read(text: str | int, expected: int) -> None:
    assert parse_time_ms("start", text) == expected


@pytest.mark.parametrize(
    "wrong",
    ["", "-", "--5", "-5", "²", "yesterday", "2024-13-01", "2024-06-18T00:00:00", "1e12", "9" * 30]
    + [MAX_MS + 1, "0001-01-01T00:00:00+14:00", "2024-W01-1"],
)
def test_anything_else_is_refused_by_name(wrong: str | int) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_time_ms("start", wrong)

    assert (caught.value.name, caught.value.value) == ("start", wrong)


def test_time_without_offset_gets_a_hint() -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_time_ms("start", "2024-06-18T00:00:00")

    assert "Z" in caught.value.hint


@given(st.integers(0, MAX_MS))
def test_formatted_time_reads_back(time_ms: int) -> None:
    assert parse_time_ms("time", format_time(time_ms)) == time_ms
    assert parse_time_ms("time", str(time_ms)) == time_ms


@given(st.text(max_size=30))
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    with suppress(InvalidParameter):
        assert 0 <= parse_time_ms("time", text) <= MAX_MS
