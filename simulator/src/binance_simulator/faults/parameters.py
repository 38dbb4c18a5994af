"""Reading what a scenario or a control says: each reader takes a value or tells what is valid."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field
from decimal import Decimal, InvalidOperation
from typing import Any

from market.errors import InvalidParameter
from market.interval import Interval
from market.kline import Kline
from market.times import parse_time_ms

Reader = Callable[[object], Any]
"""Returns the value, or raises ValueError with what would be valid."""

#: A symbol as the archive spells it.
SYMBOL = re.compile(r"[A-Z0-9]{2,20}")
_CHANGE = re.compile(r"[+*-]?\d{1,20}(\.\d{1,18})?")
#: Where a kline may come from, as the store names it.
SOURCES = ("archive_monthly", "archive_daily", "rest", "ws")


def parameter(read: Reader, default: Any = MISSING) -> Any:
    """Return a dataclass field that is read by `read`; without a default it must be given."""
    return field(default=default, metadata={"read": read})


def whole(first: int, last: int) -> Reader:
    """Read an integer from `first` to `last`."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not first <= value <= last:
            raise ValueError(f"an integer from {first} to {last}")
        return value

    return read


def number(least: float, most: float) -> Reader:
    """Read a number from `least` to `most`."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"a number from {least:g} to {most:g}")
        if not least <= value <= most:
            raise ValueError(f"a number from {least:g} to {most:g}")
        return float(value)

    return read


def one_of(*values: str) -> Reader:
    """Read one of some words."""

    def read(value: object) -> str:
        if value not in values:
            raise ValueError("one of " + ", ".join(values))
        return str(value)

    return read


def one_or_more(read_one: Reader) -> Reader:
    """Read one value, or a list of them, as a tuple."""

    def read(value: object) -> tuple[Any, ...]:
        given = value if isinstance(value, list) else [value]
        if not given:
            raise ValueError("at least one value")
        return tuple(read_one(one) for one in given)

    return read


def text(value: object) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def switch(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def path(value: object) -> str:
    """Read the beginning of a path."""
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError("the beginning of a path, such as /api/v3/klines")
    return value


def symbol(value: object) -> str:
    """Read a symbol."""
    if not isinstance(value, str) or not SYMBOL.fullmatch(value):
        raise ValueError("a symbol such as BTCUSDT")
    return value


def interval(value: object) -> Interval:
    """Read an interval."""
    try:
        return Interval.parse(value if isinstance(value, str) else repr(value))
    except InvalidParameter as error:
        raise ValueError(error.expected) from None


def moment(value: object) -> int:
    """Read a time: milliseconds, a day, ISO-8601, or a date-time of TOML."""
    if isinstance(value, bool) or value is None:
        raise ValueError("a time")
    shown = value if isinstance(value, int | str) else str(value)
    try:
        return parse_time_ms("time", shown)
    except InvalidParameter as error:
        raise ValueError(error.expected) from None


def changes(value: object) -> tuple[tuple[str, str], ...]:
    """Read what becomes of a kline's fields: a number, or `+N`, `-N`, `*N` of what is there."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError("a table such as { volume = '*1.01', number_of_trades = '+1' }")
    for name, told in value.items():
        if name not in Kline._fields:
            raise ValueError("fields of a kline: " + ", ".join(Kline._fields))
        if isinstance(told, bool) or not _CHANGE.fullmatch(str(told)):
            raise ValueError("numbers, or texts such as '+1', '-0.5' and '*1.01'")
    return tuple((name, str(told)) for name, told in value.items())


def changed(before: str | int, told: str) -> str | int:
    """Return a field after a change that `changes` read; decimals keep their eight places."""
    try:
        amount = Decimal(told.lstrip("+*-"))
        old = Decimal(before)
    except InvalidOperation:
        return before
    after = {"+": old + amount, "-": old - amount, "*": old * amount}.get(told[0], amount)
    return int(after) if isinstance(before, int) else f"{after:.8f}"
