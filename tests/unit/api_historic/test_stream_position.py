"""Positions: whoever resumes from any id gets every row once, whatever the order of commits."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_historic.push.position import (
    LONGEST_ID,
    MOST_MISSING,
    Position,
    Span,
    Tail,
    parse_position,
    replayed,
    tail_of,
)
from market.errors import InvalidParameter


def missed(tail: Tail, numbers: set[int]) -> list[int]:
    return sorted(number for number in numbers if not tail.holds(number))


@st.composite
def commits(draw: st.DrawFn) -> list[list[int]]:
    """Numbers in the order in which looks see them: mostly ascending, some late, some never."""
    numbers = draw(st.lists(st.integers(1, 60), unique=True, max_size=40))
    dice = random.Random(draw(st.integers(0, 1000)))
    numbers.sort(key=lambda number: number + dice.uniform(0, 12))
    looks: list[list[int]] = []
    while numbers:
        size = dice.randint(1, 5)
        looks.append(sorted(numbers[:size]))
        numbers = numbers[size:]
    return looks


@given(commits())
def test_every_row_is_told_once_in_whatever_order_it_commits(looks: list[list[int]]) -> None:
    tail, there = Tail(0), set[int]()
    for look in looks:
        there |= set(look)
        assert missed(tail, there) == look
        for number in look:
            tail = tail.tell(number)
        assert missed(tail, there) == []


@given(commits(), st.data())
def test_resumed_listener_misses_nothing_and_hears_nothing_twice(
    looks: list[list[int]], data: st.DataObject
) -> None:
    # The hub tells as rows appear; the listener leaves at any id, and again in its replay.
    hub, there, ids = Tail(0), set[int](), [Tail(0)]
    for look in looks:
        there |= set(look)
        for number in look:
            hub = hub.tell(number)
            ids.append(hub)
    left = data.draw(st.sampled_from(ids))
    heard = {number for number in there if left.holds(number)}
    mine = data.draw(st.sets(st.sampled_from(sorted(there)))) if there else set()

    after = left
    while True:
        waiting = [number for number in missed(after, there) if number in mine]
        if not waiting:
            break
        some = waiting[: data.draw(st.integers(1, len(waiting)))]
        place = after
        for number in some:
            assert number not in heard
            heard.add(number)
            place = replayed(number, after, hub)
        after = parse_position(str(Position(place, Tail(0)))).klines

    assert mine <= heard


@given(commits())
def test_id_is_read_as_it_was_written(looks: list[list[int]]) -> None:
    tail = Tail(0)
    for number in (number for look in looks for number in look):
        tail = tail.tell(number)

    assert parse_position(str(Position(tail, Tail(7)))) == Position(tail, Tail(7))


def test_replay_waits_for_what_the_hub_waits_for() -> None:
    before = Tail(10, (Span(3, 6),))
    until = Tail(20, (Span(4, 4), Span(15, 15)))

    assert replayed(5, before, until) == Tail(10, (Span(4, 4), Span(6, 6)))
    assert replayed(17, before, until) == Tail(17, (Span(4, 4), Span(15, 15)))


def test_what_was_missing_for_long_is_given_up() -> None:
    tail = Tail(20, (Span(3, 5), Span(9, 12), Span(15, 15)))

    assert tail.settle(10) == Tail(20, (Span(11, 12), Span(15, 15)))
    assert tail.settle(20) == Tail(20)


def test_ids_stay_short_however_much_is_missing() -> None:
    tail = tail_of(range(10**17, 10**17 + 4 * MOST_MISSING, 2), 0)

    assert len(tail.missing) == MOST_MISSING
    assert len(str(Position(tail, tail))) <= LONGEST_ID
    assert parse_position(str(Position(tail, tail))).klines == tail


@pytest.mark.parametrize(
    "text",
    ["", "5", "5.", ".5", "5.5.5", "-1.0", "5!5.0", "5!6.0", "5!3-2.0", "9!3!2.0", "9!2!2.0", "a.b"]
    + [f"{'9' * 19}.0", "1.0" + " " * 9, "5!0!.1", "٣.٤"],
)
def test_other_text_is_no_id(text: str) -> None:
    with pytest.raises(InvalidParameter, match="the id of an event that was received"):
        parse_position(text)
