"""Reading the newest stored kline of series: what this API knows of a symbol's present."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, cast, literal, select, true, union_all
from sqlalchemy.dialects import mysql

from market.interval import Interval
from market.store import tables as t
from market.store.symbols import VENUE

#: Symbols a statement asks for: each is one look into an index per interval.
_SYMBOLS_A_STATEMENT = 200


class ListedSymbol(NamedTuple):
    """A symbol whose klines are wanted: its number in the store, its name, its status."""

    number: int
    name: str
    status: str


class NewestKline(NamedTuple):
    """The newest stored kline of one series: when it opened and closed (inclusive), and where."""

    symbol_number: int
    interval: Interval
    open_time_ms: int
    close_time_ms: int
    close: str


def read_listed_symbols(connection: Connection) -> list[ListedSymbol]:
    """Return every symbol whose klines are wanted, the first listed first."""
    s = t.symbols.c
    query = select(s.id, s.symbol, s.status).where(s.venue == VENUE, s.registered_ms.is_not(None))
    return [ListedSymbol(*row) for row in connection.execute(query.order_by(s.id))]


def read_newest(connection: Connection, numbers: Sequence[int]) -> list[NewestKline]:
    """Return the newest kline of every stored series of the symbols, in no order."""
    found: list[NewestKline] = []
    for start in range(0, len(numbers), _SYMBOLS_A_STATEMENT):
        found += _read(connection, numbers[start : start + _SYMBOLS_A_STATEMENT])
    return found


def _read(connection: Connection, numbers: Sequence[int]) -> list[NewestKline]:
    intervals = union_all(
        *(select(literal(interval.number).label("number")) for interval in Interval)
    ).subquery("intervals")
    k, inner, s = t.klines.c, t.klines.alias("inner_klines"), t.symbols.c
    # Sorted and cut, not max(): every engine takes one row off the index for it.
    newest_ms = (
        select(inner.c.open_time_ms)
        .where(inner.c.symbol_id == s.id, inner.c.interval_id == intervals.c.number)
        .order_by(inner.c.open_time_ms.desc())
        .limit(1)
        .correlate(t.symbols, intervals)
        .scalar_subquery()
    )
    is_newest = (
        (k.symbol_id == s.id)
        & (k.interval_id == intervals.c.number)
        & (k.open_time_ms == newest_ms)
    )
    # As text, for the driver's own decimals print small prices as 1E-8.
    close = k.close if connection.dialect.name == "sqlite" else cast(k.close, mysql.CHAR())
    query = (
        select(s.id, intervals.c.number, k.open_time_ms, k.close_time_ms, close)
        .select_from(t.symbols.join(intervals, true()).join(t.klines, is_newest))
        .where(s.id.in_(numbers))
    )
    return [
        NewestKline(row[0], Interval.from_number(row[1]), *row[2:])
        for row in connection.execute(query)
    ]
