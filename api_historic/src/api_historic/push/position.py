"""Positions: what of the store has been told, and the event ids that say so. Pure.

Numbers of an auto-increment table are drawn before their transactions commit: a row may
appear below one that was told already. So a position is the newest number told and those
below it that were not there; they are told when they appear, and no row is lost or repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from market.errors import InvalidParameter

_TAIL = r"\d{1,18}(?:!\d{1,18}(?:-\d{1,18})?)*"
_FORM = re.compile(rf"({_TAIL})\.({_TAIL})", re.ASCII)
#: Longer ids are not read; one of as many missing ranges is never written.
LONGEST_ID = 5_000
#: Ranges of missing numbers that are waited for; the oldest are given up for newer ones.
MOST_MISSING = 60


class Span(NamedTuple):
    """Numbers from `first` to `last`, both included."""

    first: int
    last: int


class Tail(NamedTuple):
    """The rows of one table that were told: all up to `newest`, but the missing ones.

    Attributes:
        missing: disjoint and ascending, all below `newest`.
    """

    newest: int
    missing: tuple[Span, ...] = ()

    def holds(self, number: int) -> bool:
        """Tell whether a row was told."""
        if number > self.newest:
            return False
        return not any(span.first <= number <= span.last for span in self.missing)

    def tell(self, number: int) -> Tail:
        """Return the tail once that row was told too."""
        if number > self.newest:
            skipped = Span(self.newest + 1, number - 1)
            missing = self.missing if skipped.first > skipped.last else (*self.missing, skipped)
            return Tail(number, missing[-MOST_MISSING:])
        left: list[Span] = []
        for span in self.missing:
            if not span.first <= number <= span.last:
                left.append(span)
                continue
            parts = (Span(span.first, number - 1), Span(number + 1, span.last))
            left += [part for part in parts if part.first <= part.last]
        return Tail(self.newest, tuple(left[-MOST_MISSING:]))

    def settle(self, number: int) -> Tail:
        """Return the tail with nothing up to a number waited for any longer."""
        left = (Span(max(span.first, number + 1), span.last) for span in self.missing)
        return Tail(self.newest, tuple(span for span in left if span.first <= span.last))

    def __str__(self) -> str:
        holes = (
            str(span.first) if span.first == span.last else f"{span.first}-{span.last}"
            for span in self.missing
        )
        return "!".join((str(self.newest), *holes))


class Position(NamedTuple):
    """What was told of klines (by batch) and of forecasts (by row)."""

    klines: Tail
    forecasts: Tail

    def __str__(self) -> str:
        return f"{self.klines}.{self.forecasts}"


def tail_of(numbers: Iterable[int], newest: int) -> Tail:
    """Return the tail of a table of which these ascending numbers, up to `newest`, are there."""
    tail: Tail | None = None
    for number in numbers:
        tail = Tail(number) if tail is None else tail.tell(number)
    return Tail(newest) if tail is None else tail


def replayed(number: int, before: Tail, until: Tail) -> Tail:
    """Return the tail of a listener who resumed at `before`, once a row told by `until` came.

    Rows are told in the order of their numbers, those of others left out: what is missing
    is what `until` misses too, and what of `before` has not come yet.
    """
    if number > before.newest:
        return Tail(number, tuple(s for s in until.missing if s.last < number))
    waiting = [span for span in before.missing if span.last > number]
    waiting = [Span(max(span.first, number + 1), span.last) for span in waiting]
    absent = [span for span in until.missing if span.last <= number]
    return Tail(before.newest, (*absent, *waiting))


def parse_position(text: str) -> Position:
    """Return the position an event id stands for.

    Raises:
        InvalidParameter: it is not one of ours.
    """
    match = _FORM.fullmatch(text) if len(text) <= LONGEST_ID else None
    if match is None:
        raise InvalidParameter("after", text[:60], "the id of an event that was received")
    return Position(_parse_tail(match[1]), _parse_tail(match[2]))


def _parse_tail(text: str) -> Tail:
    newest, *holes = text.split("!")
    spans = []
    for hole in holes:
        first, _, last = hole.partition("-")
        spans.append(Span(int(first), int(last or first)))
    whole = [Span(-1, -1), *spans, Span(int(newest), int(newest))]
    ordered = all(a.last < b.first for a, b in zip(whole, whole[1:], strict=False))
    if not ordered or any(span.first > span.last for span in spans):
        raise InvalidParameter("after", text[:60], "the id of an event that was received")
    return Tail(int(newest), tuple(spans))
