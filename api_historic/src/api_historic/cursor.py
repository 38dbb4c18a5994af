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
    text = f"{position.time_ms}.{position.skip}"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> Position:
    """Return the position a cursor stands for.

    Raises:
        InvalidParameter: it is not one of ours.
    """
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    match = _FORM.fullmatch(text)
    if match is None:
        raise InvalidParameter("cursor", cursor, "the value of `next` in the page before")
    return Position(int(match[1]), int(match[2]))
