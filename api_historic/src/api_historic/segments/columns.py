"""Klines as Arrow columns and as JSON rows, from rows as the driver gives them. Pure.

A row has the twelve fields in Binance's order: bytes from MySQL's raw cursor, integers and
texts from SQLite. No number is looked into on its way to JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from market.kline import AMOUNT_DIGITS, KLINE_FIELDS, PRICE_DIGITS

#: A row: twelve bytes, or integers and texts.
RawRow = tuple[bytes, ...] | tuple[int | str, ...]

_DECIMALS = 8
_PRICES = frozenset({"open", "high", "low", "close"})
_TIMES = frozenset({"open_time", "close_time"})
_COUNT, _FREE_TEXT = "number_of_trades", "ignore"
#: The eleven fields that `/v1/klines` gives unless asked.
JSON_FIELDS = KLINE_FIELDS[:11]
_BARE = _TIMES | {_COUNT}


def klines_schema() -> pa.Schema:
    """Return the columns: times in ms UTC, exact decimals, int64 trades, `ignore` as text."""
    return pa.schema([pa.field(name, _type_of(name), nullable=False) for name in KLINE_FIELDS])


def _type_of(name: str) -> pa.DataType:
    if name in _TIMES:
        return pa.timestamp("ms", tz="UTC")
    if name == _COUNT:
        return pa.int64()
    if name == _FREE_TEXT:
        return pa.string()
    digits = PRICE_DIGITS if name in _PRICES else AMOUNT_DIGITS
    return pa.decimal128(digits + _DECIMALS, _DECIMALS)


def build_batch(rows: Sequence[RawRow], schema: pa.Schema) -> pa.RecordBatch:
    """Return rows as Arrow columns of `klines_schema`, every digit kept."""
    values = zip(*rows, strict=True) if rows else ((),) * len(schema)
    columns = [_column(column, field) for column, field in zip(values, schema, strict=True)]
    return pa.record_batch(columns, schema=schema)


def _column(values: Sequence[Any], field: pa.Field) -> pa.Array:
    if values and isinstance(values[0], int):
        return pa.array(values, pa.int64()).cast(field.type)
    texts = pa.array(values, pa.string())
    if field.name in _BARE:
        return texts.cast(pa.int64()).cast(field.type)
    return texts.cast(field.type)


def _row_format() -> str:
    marks = ("%s" if name in _BARE else '"%s"' for name in JSON_FIELDS)
    return f"[{','.join(marks)}],"


_TEXT_FORMAT = _row_format()
_BYTES_FORMAT = _TEXT_FORMAT.encode()


def write_rows(rows: Sequence[RawRow]) -> list[bytes]:
    """Return each row's eleven default fields as a JSON array with a comma behind it."""
    width = len(JSON_FIELDS)
    if rows and isinstance(rows[0][0], bytes):
        return [_BYTES_FORMAT % row[:width] for row in rows]
    return [(_TEXT_FORMAT % row[:width]).encode() for row in rows]


def is_zero(value: object) -> bool:
    """Tell whether Binance's unused twelfth field is the zero it always is."""
    return value in (b"0", "0")
