"""Cursors come back as they were written; anything else is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_historic.cursor import Position, read_cursor, write_cursor
from market.errors import InvalidParameter
from market.times import MAX_MS


@given(st.integers(0, MAX_MS + 1), st.integers(0, 999_999))
def test_cursor_comes_back_as_written(time_ms: int, skip: int) -> None:
    position = Position(time_ms, skip)

    assert read_cursor(write_cursor(position)) == position


@given(st.text())
def test_text_that_is_no_cursor_is_refused_or_read(text: str) -> None:
    with suppress(InvalidParameter):
        assert read_cursor(text).time_ms >= 0


@pytest.mark.parametrize("text", ["", "1704067200000", "MTIz", "==", "é", "LTEuMA"])
def test_cursor_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="cursor was"):
        read_cursor(text)
