"""The clock that limits are counted by."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.wire_clock import WireClock

NOW_S = 1_800_000_000.0


def test_without_an_answer_it_is_this_machines() -> None:
    assert WireClock(lambda: NOW_S).now_ms() == NOW_S * 1000


def test_what_is_no_date_changes_nothing() -> None:
    clock = WireClock(lambda: NOW_S)

    clock.read({"Date": "soon"}, NOW_S, NOW_S)
    clock.read({}, NOW_S, NOW_S)

    assert clock.now_ms() == NOW_S * 1000


@given(
    offset_s=st.floats(-86_400, 86_400),
    asked=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 2), st.floats(0, 1)), min_size=1),
)
def test_it_is_never_further_off_than_one_answer_can_be(
    offset_s: float, asked: list[tuple[float, float, float]]
) -> None:
    clock, at_s, shortest_s = WireClock(lambda: NOW_S), NOW_S, 9.0
    for wait_s, round_trip_s, part in asked:
        at_s += wait_s
        told = formatdate(int(at_s + offset_s + part * round_trip_s), usegmt=True)
        clock.read({"date": told}, at_s, at_s + round_trip_s)
        shortest_s = min(shortest_s, round_trip_s)

    off_s = clock.now_ms() / 1000 - NOW_S - offset_s
    assert abs(off_s) <= 1 + shortest_s + 0.01


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 30), st.floats(0, 1)), min_size=1))
def test_answers_that_agree_with_this_machine_change_nothing(
    asked: list[tuple[float, float, float]],
) -> None:
    clock, at_s = WireClock(lambda: NOW_S), NOW_S
    for wait_s, round_trip_s, part in asked:
        at_s += wait_s
        told = formatdate(int(at_s + part * round_trip_s), usegmt=True)
        clock.read({"date": told}, at_s, at_s + round_trip_s)

    # However slow they were: another process of this machine may have had quicker ones.
    assert clock.now_ms() == NOW_S * 1000


def test_many_answers_tell_it_closer_than_a_second() -> None:
    clock = WireClock(lambda: NOW_S)

    for step in range(40):
        at_s = NOW_S + step * 0.3
        clock.read({"Date": formatdate(int(at_s + 7.25), usegmt=True)}, at_s, at_s + 0.01)

    assert clock.now_ms() / 1000 - NOW_S == pytest.approx(7.25, abs=0.06)


def test_a_clock_that_was_set_is_followed() -> None:
    clock = WireClock(lambda: NOW_S)
    clock.read({"Date": formatdate(NOW_S, usegmt=True)}, NOW_S, NOW_S)

    clock.read({"Date": formatdate(NOW_S + 3600, usegmt=True)}, NOW_S, NOW_S)

    assert clock.now_ms() / 1000 - NOW_S == pytest.approx(3600, abs=1)
