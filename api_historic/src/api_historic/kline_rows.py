"""Klines from the store as JSON, written by the database itself.

The engine joins each row's columns to its JSON text, so that no Python object is made
per value: the numbers go out with the very digits that are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Result, String, cast, func, literal, select

from market.kline import KLINE_FIELDS
from market.store import tables as t
from market.store.symbols import Series

#: Binance's names of the times are the store's with their unit.
_STORED_AS = {"open_time": "open_time_ms", "close_time": "close_time_ms"}
_INTEGERS = frozenset({"open_time", "close_time", "number_of_trades"})
#: Rows taken from the driver at once.
_CHUNK = 5_000


class Window(NamedTuple):
    """Which klines of a series: opening in [start_ms, end_ms), `None` leaves a side open.

    At most `limit` of them: the first, or with `newest` the last.
    """

    start_ms: int | None
    end_ms: int | None
    limit: int
    newest: bool = False


class KlineRows(NamedTuple):
    """Klines, ascending: their open times in ms, and their JSON arrays.

    `chunks` hold many rows each, joined by commas: a page of 100,000 rows is never
    100,000 Python strings at once. `has_more` tells whether the limit cut any off.
    """

    open_times: list[int]
    chunks: list[bytes]
    has_more: bool

    def json_parts(self) -> list[bytes]:
        """Return the parts of one JSON array of all rows, to be joined once."""
        parts = [b"["]
        for number, chunk in enumerate(self.chunks):
            parts += (b",", chunk) if number else (chunk,)
        return [*parts, b"]"]


def read_rows(
    connection: Connection,
    series: Series,
    window: Window,
    *,
    fields: Sequence[str] = KLINE_FIELDS,
    microseconds: bool = False,
) -> KlineRows:
    """Return klines as JSON arrays of `fields`, in that order; times in ms unless asked."""
    k = t.klines.c
    row = _json_array(connection, fields, microseconds=microseconds)
    query = select(k.open_time_ms, row).where(
        k.symbol_id == series.symbol_id, k.interval_id == series.interval.number
    )
    if window.start_ms is not None:
        query = query.where(k.open_time_ms >= window.start_ms)
    if window.end_ms is not None:
        query = query.where(k.open_time_ms < window.end_ms)
    order = k.open_time_ms.desc() if window.newest else k.open_time_ms
    # One row more than asked tells whether another page follows.
    query = query.order_by(order).limit(window.limit + 1)
    # The driver hands rows over as they come; by itself it would hold all of them first.
    result = connection.execute(query, execution_options={"yield_per": _CHUNK})
    return _collect(result, window)


def _collect(result: Result[int, str], window: Window) -> KlineRows:
    open_times: list[int] = []
    chunks: list[bytes] = []
    has_more = False
    for rows in result.partitions():
        room = window.limit - len(open_times)
        has_more = len(rows) > room
        if room == 0:
            break
        kept = rows[:room][::-1] if window.newest else rows[:room]
        times = [open_ms for open_ms, _ in kept]
        open_times = times + open_times if window.newest else open_times + times
        chunks.append(",".join([text for _, text in kept]).encode())
    return KlineRows(open_times, chunks[::-1] if window.newest else chunks, has_more)


def _json_array(
    connection: Connection, fields: Sequence[str], *, microseconds: bool
) -> ColumnElement[str]:
    parts: list[ColumnElement[Any]] = []
    pending = "["
    for field in fields:
        column: ColumnElement[Any] = t.klines.c[_STORED_AS.get(field, field)]
        if field == "ignore":
            # The one column that holds whatever text came: the engine quotes it.
            column = func.json_quote(column)
        if microseconds and field in _STORED_AS:
            # A close time is the last microsecond of its millisecond.
            column = cast(column * 1000 + (999 if field == "close_time" else 0), String)
        quote = "" if field in _INTEGERS or field == "ignore" else '"'
        parts += [_text(pending + quote), column]
        pending = quote + ","
    parts.append(_text(pending.removesuffix(",") + "]"))
    if connection.dialect.name == "sqlite":
        return reduce(lambda left, right: left.op("||")(right), parts)
    return func.concat(*parts)


def _text(words: str) -> ColumnElement[str]:
    return literal(words, String)
