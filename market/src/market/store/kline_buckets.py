"""Klines of a coarser grid, put together by the database itself, exact to the last digit.

Only a row a slot leaves the database: a year of minutes as hours is 8,760 rows in place of
525,600. MySQL adds DECIMALs exactly. SQLite keeps decimals as text of eight decimals: prices
are compared as texts of one width; of amounts the whole parts and the decimals are added apart,
and where they are too large for its integers, nine digits at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import OperationalError

from market.aggregation import Bucket, close_of_slot
from market.gaps import Range
from market.kline import Kline
from market.store import tables as t
from market.store.klines import read_open_times
from market.store.symbols import Series

_AMOUNTS = (
    "volume",
    "quote_asset_volume",
    "taker_buy_base_asset_volume",
    "taker_buy_quote_asset_volume",
)
#: Twelve digits, the point, eight decimals.
_PRICE_WIDTH = 21
_DECIMALS = 8
#: Digits of a large amount that are added together: nine billion such numbers fit in an integer.
_LIMB = 9
#: SQLite's largest integer.
_LARGEST = 2**63 - 1
#: Stronger than the minus to its left.
_BINDS = 20


class Steps(NamedTuple):
    """Slots of one fixed length, one after the other: they open at `start_ms` + n * `step_ms`."""

    start_ms: int
    end_ms: int
    step_ms: int


def read_buckets(connection: Connection, source: Series, steps: Steps) -> list[Bucket]:
    """Return a kline for each slot that holds any of the source's klines, ascending.

    A kline belongs to the slot it opens in; `parts` are the source's own slots that are
    filled. One closes with its last part where that was cut short, as Binance's does.
    """
    rows = _read_rows(connection, source, steps, narrow=True)
    if rows is None:
        rows = _read_rows(connection, source, steps, narrow=False) or []
    return [_bucket(connection, source, steps, row) for row in rows]


def _read_rows(
    connection: Connection, source: Series, steps: Steps, *, narrow: bool
) -> Sequence[Any] | None:
    """Return a row a slot, or `None` where an amount was too large to be added the narrow way.

    SQLite's integers have 63 bits: what is larger is cut to the largest, or is an error.
    """
    summed = _sums(connection, source, steps, narrow=narrow).subquery()
    first, last = t.klines.alias("first"), t.klines.alias("last")
    query = (
        select(
            summed,
            _text(connection, first.c.open).label("open"),
            _text(connection, last.c.close).label("close"),
            last.c.close_time_ms,
        )
        .join(first, _opens_at(first, source, summed.c.first_ms))
        .join(last, _opens_at(last, source, summed.c.last_ms))
        .order_by(summed.c.slot)
    )
    try:
        rows = connection.execute(query).all()
    except OperationalError as error:
        if narrow and "integer overflow" in str(error.orig):
            return None
        raise
    is_cut = narrow and connection.dialect.name == "sqlite" and any(map(_has_largest, rows))
    return None if is_cut else rows


def _has_largest(row: Any) -> bool:
    return any(row._mapping[f"{name}_low"] == _LARGEST for name in _AMOUNTS)


def _sums(connection: Connection, source: Series, steps: Steps, *, narrow: bool) -> Any:
    k = t.klines.c
    slot = _slot(connection, k.open_time_ms, steps).label("slot")
    extremes = (
        _extreme(connection, func.max, k.high).label("high"),
        _extreme(connection, func.min, k.low).label("low"),
    )
    amounts = [one for name in _AMOUNTS for one in _amount(connection, name, narrow=narrow)]
    return (
        select(
            slot,
            func.count().label("rows"),
            func.sum(k.irregular).label("irregular"),
            func.min(k.open_time_ms).label("first_ms"),
            func.max(k.open_time_ms).label("last_ms"),
            func.sum(k.number_of_trades).label("trades"),
            *extremes,
            *amounts,
        )
        .where(
            k.symbol_id == source.symbol_id,
            k.interval_id == source.interval.number,
            k.open_time_ms >= steps.start_ms,
            k.open_time_ms < steps.end_ms,
        )
        .group_by(slot)
    )


def _slot(connection: Connection, open_ms: ColumnElement[int], steps: Steps) -> ColumnElement[int]:
    # Numbers of our own, and not bound: MySQL knows no grouping by an expression it was not told.
    elapsed = open_ms - literal(steps.start_ms, BigInteger, literal_execute=True)
    step = literal(steps.step_ms, BigInteger, literal_execute=True)
    if connection.dialect.name == "sqlite":
        return elapsed.op("/", precedence=_BINDS)(step)
    return elapsed.op("DIV", precedence=_BINDS)(step)


def _extreme(connection: Connection, pick: Any, price: ColumnElement[Any]) -> ColumnElement[Any]:
    if connection.dialect.name != "sqlite":
        return cast(pick(price), mysql.CHAR())
    blanks = literal(" " * _PRICE_WIDTH, literal_execute=True)
    chosen: ColumnElement[Any] = pick(func.substr(blanks.op("||")(price), -_PRICE_WIDTH))
    return chosen


def _amount(connection: Connection, name: str, *, narrow: bool) -> list[ColumnElement[Any]]:
    column = t.klines.c[name]
    if connection.dialect.name != "sqlite":
        return [cast(func.sum(column), mysql.CHAR()).label(name)]
    limbs: dict[str, ColumnElement[Any]] = {name: func.substr(column, -_DECIMALS)}
    if narrow:
        # A third of the time. The cast reads up to the point.
        limbs |= {f"{name}_low": column, f"{name}_high": literal(0, literal_execute=True)}
    else:
        whole = func.substr(column, 1, func.length(column) - _DECIMALS - 1)
        above = func.max(func.length(whole) - _LIMB, 0)
        limbs |= {
            f"{name}_low": func.substr(whole, -_LIMB),
            f"{name}_high": func.substr(whole, 1, above),
        }
    return [func.sum(cast(digits, BigInteger)).label(label) for label, digits in limbs.items()]


def _text(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column if connection.dialect.name == "sqlite" else cast(column, mysql.CHAR())


def _opens_at(table: Any, source: Series, open_ms: ColumnElement[int]) -> Any:
    return and_(
        table.c.symbol_id == source.symbol_id,
        table.c.interval_id == source.interval.number,
        table.c.open_time_ms == open_ms,
    )


def _bucket(connection: Connection, source: Series, steps: Steps, row: Any) -> Bucket:
    open_ms = steps.start_ms + int(row.slot) * steps.step_ms
    volume, quote, taker_base, taker_quote = (_added(row, name) for name in _AMOUNTS)
    kline = Kline(
        open_ms,
        row.open,
        str(row.high).strip(),
        str(row.low).strip(),
        row.close,
        volume,
        open_ms + steps.step_ms - 1,
        quote,
        int(row.trades),
        taker_base,
        taker_quote,
    )
    last = kline._replace(open_time_ms=row.last_ms, close_time_ms=row.close_time_ms)
    close_ms = close_of_slot(kline.close_time_ms, last, source.interval)
    parts = int(row.rows)
    if row.irregular:  # several may fill one slot
        slot = Range(open_ms, open_ms + steps.step_ms)
        opens = read_open_times(connection, source, *slot)
        parts = len({source.interval.floor(one) for one in opens})
    return Bucket(kline._replace(close_time_ms=close_ms), parts)


def _added(row: Any, name: str) -> str:
    """Return a sum as text with eight decimals."""
    value = row._mapping[name]
    if isinstance(value, str):
        return value
    if not isinstance(value, int):  # a driver that gives bytes
        return bytes(value).decode()
    low, high = row._mapping[f"{name}_low"], row._mapping[f"{name}_high"]
    digits = str(((high * 10**_LIMB) + low) * 10**_DECIMALS + value).rjust(_DECIMALS + 1, "0")
    return f"{digits[:-_DECIMALS]}.{digits[-_DECIMALS:]}"
