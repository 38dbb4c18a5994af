"""Cursors: where the next page begins, in a form nobody is tempted to compute. Pure."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

from market.errors import InvalidParameter

_FORM = re.compile(r"(\d{1,15})\.(\d{1,6})", re.ASCII)


class Position(NamedTuple):
    """A time in ms, and how many items of that very time were told already."""

    time_ms: int
    skip: int = 0


def write_cursor(position: Position) -> str:
    """Return the cursor for a position."""
    return write_mark(f"{position.time_ms}.{position.skip}")


def read_cursor(cursor: str) -> Position:
    """Return the position a cursor stands for.

    Raises:
        InvalidParameter: it is not one of ours.
    """
    match = read_mark(cursor, _FORM)
    return Position(int(match[1]), int(match[2]))


def write_mark(text: str) -> str:
    """Return the cursor for a mark that is no time: the last item told, in ASCII."""
    return urlsafe_b64encode(text.encode("ascii")).decode().rstrip("=")


def read_mark(cursor: str, form: re.Pattern[str]) -> re.Match[str]:
    """Return what a cursor stands for, matched whole by its form.

    Raises:
        InvalidParameter: it is not one of ours.
    """
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    match = form.fullmatch(text)
    if match is None:
        raise InvalidParameter("cursor", cursor, "the value of `next` in the page before")
    return match
