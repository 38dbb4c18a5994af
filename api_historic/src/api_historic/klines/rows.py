"""Klines from the store as lines of text, put together by the database itself.

The engine joins each row's columns to its line, so that no Python object is made per value:
the numbers go out with the very digits that are stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, reduce
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)

from api_historic.klines.layout import FREE_TEXT, TIMES, Layout, Quoting
from market.gaps import Range
from market.store import tables as t
from market.store.raw_rows import RawQuery
from market.store.symbols import Series

#: Binance's names of the times are the store's with their unit.
_STORED_AS = {"open_time": "open_time_ms", "close_time": "close_time_ms"}
#: Rows of one statement: about a MB at once, and few enough to be thrown away quickly.
CHUNK = 5_000
#: Before and after every time there is.
FIRST_MS, LAST_MS = -(2**62), 2**62


class Window(NamedTuple):
    """Which klines of a series: opening in [start_ms, end_ms), `None` leaves a side open.

    At most `limit` of them: the first, or with `newest` the last.
    """

    start_ms: int | None
    end_ms: int | None
    limit: int
    newest: bool = False


class KlineRows(NamedTuple):
    """Klines in the order read: their open times in ms, and their lines, joined.

    `has_more` tells whether the limit cut any off.
    """

    open_times: list[int]
    chunks: list[bytes]
    has_more: bool

    def json(self) -> bytes:
        """Return one JSON array of all rows, which are JSON themselves."""
        return b"[%b]" % b",".join(self.chunks)


def read_rows(
    connection: Connection,
    series: Series,
    window: Window,
    layout: Layout,
    *,
    is_descending: bool = False,
) -> KlineRows:
    """Return klines as lines; those of a `newest` window ascend unless asked to descend."""
    rows = _iter_rows(connection, series, window, layout)
    open_times: list[int] = []
    chunks: list[bytes] = []
    turned = window.newest and not is_descending
    has_more = False
    while page := list(islice(rows, CHUNK)):
        kept = page[: window.limit - len(open_times)]
        has_more = len(kept) < len(page)
        open_times += [int(row[1]) for row in kept]
        if kept:
            lines = [row[0] for row in kept]
            chunks.append(layout.separator.join(lines[::-1] if turned else lines))
    return KlineRows(
        open_times[::-1] if turned else open_times, chunks[::-1] if turned else chunks, has_more
    )


def iter_lines(
    connection: Connection,
    series: Series,
    span: Range,
    layout: Layout,
    *,
    is_descending: bool = False,
) -> Iterator[bytes]:
    """Yield the lines of klines opening in a range, many at once, joined by the separator.

    One statement a chunk: whoever stops early leaves little unread, and no statement waits
    for a slow reader.
    """
    start_ms, end_ms = span
    while True:
        window = Window(start_ms, end_ms, CHUNK - 1, newest=is_descending)
        rows = list(_iter_rows(connection, series, window, layout))
        if rows:
            yield layout.separator.join([row[0] for row in rows])
        if len(rows) < CHUNK:
            return
        last_ms = int(rows[-1][1])
        start_ms, end_ms = (start_ms, last_ms) if is_descending else (last_ms + 1, end_ms)


def _iter_rows(
    connection: Connection, series: Series, window: Window, layout: Layout
) -> Iterator[Any]:
    """Yield (line, open time) of a window's klines and of one more, in the order of reading."""
    is_sqlite = connection.dialect.name == "sqlite"
    return _query(layout, is_sqlite=is_sqlite, newest=window.newest).iter_rows(
        connection,
        symbol=series.symbol_id,
        interval=series.interval.number,
        start=FIRST_MS if window.start_ms is None else window.start_ms,
        end=LAST_MS if window.end_ms is None else window.end_ms,
        # One row more than asked tells whether another page follows.
        limit=window.limit + 1,
    )


@lru_cache(maxsize=256)
def _query(layout: Layout, *, is_sqlite: bool, newest: bool) -> RawQuery:
    k = t.klines.c
    line = _line(layout, is_sqlite=is_sqlite)
    query = select(line, k.open_time_ms).where(
        k.symbol_id == bindparam("symbol"),
        k.interval_id == bindparam("interval"),
        k.open_time_ms >= bindparam("start"),
        k.open_time_ms < bindparam("end"),
    )
    order = k.open_time_ms.desc() if newest else k.open_time_ms
    # SQLite's dialect would make a parameter of an offset that is not there.
    query = query.order_by(order).limit(bindparam("limit")).offset(literal_column("0"))
    return RawQuery(query)


def _line(layout: Layout, *, is_sqlite: bool) -> ColumnElement[Any]:
    parts: list[ColumnElement[Any]] = []
    for words, field in layout.values:
        parts += [_bytes(words)] if words else []
        parts += _value(field, layout)
    parts += [_bytes(layout.end)] if layout.end else []
    if is_sqlite:
        return cast(reduce(lambda left, right: left.op("||")(right), parts), LargeBinary)
    return func.concat(*parts)


def _value(field: str, layout: Layout) -> list[ColumnElement[Any]]:
    column: ColumnElement[Any] = t.klines.c[_STORED_AS.get(field, field)]
    if layout.microseconds and field in TIMES:
        # A close time is the last microsecond of its millisecond.
        return [column, _bytes("999" if field == "close_time" else "000")]
    if field != FREE_TEXT:
        return [column]
    if layout.quoting is Quoting.JSON:
        return [func.json_quote(column)]
    return [_bytes('"'), func.replace(column, _bytes('"'), _bytes('""')), _bytes('"')]


def _bytes(words: str) -> ColumnElement[Any]:
    """Return words as bytes: MySQL converts no value then, which takes a third of the time.

    Written in hexadecimal, so that nothing has to be escaped.
    """
    return literal_column(f"x'{words.encode().hex()}'")
