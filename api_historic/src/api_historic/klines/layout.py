"""How a kline is written as a line of text: words, and values between them. Pure.

A layout is carried out by the database (`rows`) or by Arrow (`columns`), with the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

import orjson

INTEGERS = frozenset({"open_time", "close_time", "number_of_trades"})
TIMES = frozenset({"open_time", "close_time"})
#: The one field that holds whatever text came.
FREE_TEXT = "ignore"


class Quoting(Enum):
    """How free text is quoted."""

    JSON = "json"
    CSV = "csv"


class Layout(NamedTuple):
    """The words before each value, and those that end the line.

    Lines are joined by `separator`; where it is empty each line ends itself.
    """

    values: tuple[tuple[str, str], ...]
    end: str
    separator: bytes
    quoting: Quoting
    microseconds: bool = False


def json_layout(fields: Sequence[str], *, microseconds: bool = False, iso: bool = False) -> Layout:
    """Return the layout of JSON arrays; times are numbers unless they are `iso`."""
    plain = _plain(iso)
    values = _joined((("", field) for field in fields), "[", ",", plain)
    end = _quote(fields[-1], plain) + "]"
    return Layout(values, end, b",", Quoting.JSON, microseconds)


def ndjson_layout(fields: Sequence[str], symbol: str | None, *, iso: bool = False) -> Layout:
    """Return the layout of a JSON object a line, its symbol first where there is one."""
    plain = _plain(iso)
    opening = "{" if symbol is None else f'{{"symbol":{orjson.dumps(symbol).decode()},'
    values = _joined(((f'"{field}":', field) for field in fields), opening, ",", plain)
    return Layout(values, _quote(fields[-1], plain) + "}\n", b"", Quoting.JSON)


def csv_layout(fields: Sequence[str], symbol: str | None) -> Layout:
    """Return the layout of RFC 4180 lines (ended by a line feed); only text is quoted."""
    opening = "" if symbol is None else '"{}",'.format(symbol.replace('"', '""'))
    every_is_plain = frozenset(fields)
    values = _joined((("", field) for field in fields), opening, ",", every_is_plain)
    return Layout(values, "\n", b"", Quoting.CSV)


def _plain(iso: bool) -> frozenset[str]:
    return (INTEGERS - TIMES if iso else INTEGERS) | {FREE_TEXT}


def _quote(field: str, plain: frozenset[str]) -> str:
    return "" if field in plain else '"'


def _joined(
    named: Iterable[tuple[str, str]], opening: str, comma: str, plain: frozenset[str]
) -> tuple[tuple[str, str], ...]:
    values: list[tuple[str, str]] = []
    pending = opening
    for name, field in named:
        quote = _quote(field, plain)
        values.append((pending + name + quote, field))
        pending = quote + comma
    return tuple(values)
