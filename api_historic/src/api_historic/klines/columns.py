"""Klines as Arrow columns: their types, from lines of text, and back to text.

Numbers stay exact: decimals are never floats. Importing this module loads pyarrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from api_historic.klines.layout import FREE_TEXT, INTEGERS, TIMES, Layout, Quoting
from market.kline import KLINE_FIELDS

_SCALE = 8
PRICE = pa.decimal128(20, _SCALE)
AMOUNT = pa.decimal128(28, _SCALE)
TIME = pa.timestamp("ms", tz="UTC")
TYPES: dict[str, Any] = {
    **dict.fromkeys(KLINE_FIELDS, AMOUNT),
    **dict.fromkeys(("open", "high", "low", "close"), PRICE),
    **dict.fromkeys(TIMES, TIME),
    "number_of_trades": pa.int64(),
    FREE_TEXT: pa.string(),
}


def build_schema(fields: Sequence[str], names_symbol: bool = False) -> Any:
    """Return the schema of an answer: the fields, behind `symbol` where it is a column."""
    first = [pa.field("symbol", pa.string(), nullable=False)] if names_symbol else []
    return pa.schema([*first, *(pa.field(name, TYPES[name], nullable=False) for name in fields)])


def parse_lines(lines: bytes, fields: Sequence[str]) -> Any:
    """Return the table of CSV lines of those fields, as `csv_layout` writes them."""
    # Times are numbers there; Arrow's reader knows them as texts only.
    types = {name: pa.int64() if name in TIMES else TYPES[name] for name in fields}
    if not lines:
        return build_schema(fields).empty_table()
    table = csv.read_csv(
        pa.BufferReader(lines),
        read_options=csv.ReadOptions(column_names=list(fields), use_threads=False),
        convert_options=csv.ConvertOptions(
            column_types=types, strings_can_be_null=False, null_values=[]
        ),
    )
    return table.cast(build_schema(fields))


def with_symbol(table: Any, symbol: str | None) -> Any:
    """Return the table with its symbol as first column, where there is one."""
    if symbol is None:
        return table
    names = pa.repeat(pa.scalar(symbol, pa.string()), table.num_rows)
    return table.add_column(0, pa.field("symbol", pa.string(), nullable=False), names)


def write_lines(table: Any, layout: Layout, *, iso: bool = False) -> bytes:
    """Return the rows as lines of a layout, joined by its separator: no object a row.

    Arrow puts each line together in one buffer, and that is the text.
    """
    if not table.num_rows:
        return b""
    parts: list[Any] = []
    for words, field in layout.values:
        parts += [words.encode(), *_text_of(table.column(field), field, layout, iso=iso)]
    parts.append(layout.end.encode() + layout.separator)
    joined = pc.binary_join_element_wise(*parts, b"")
    text = b"".join(_values_of(chunk) for chunk in _chunks(joined))
    return text.removesuffix(layout.separator)


def _values_of(strings: Any) -> bytes | memoryview:
    offsets = memoryview(strings.buffers()[1]).cast("i")
    first, last = offsets[strings.offset], offsets[strings.offset + len(strings)]
    return memoryview(strings.buffers()[2])[first:last]


def _text_of(column: Any, field: str, layout: Layout, *, iso: bool) -> list[Any]:
    """Return the pieces that make the text of a column's values."""
    if field in TIMES and iso:
        return [pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ").cast(pa.binary())]
    if field in TIMES:
        beyond = [b"999" if field == "close_time" else b"000"] if layout.microseconds else []
        return [_plain(column.cast(pa.int64())), *beyond]
    if field in INTEGERS:
        return [_plain(column)]
    if field != FREE_TEXT:
        return _decimal_text(column)
    # What the store keeps there is printable ASCII without a backslash.
    quote = '\\"' if layout.quoting is Quoting.JSON else '""'
    return [b'"', pc.replace_substring(column, '"', quote).cast(pa.binary()), b'"']


def _decimal_text(column: Any) -> list[Any]:
    """Return decimals with all their digits: Arrow itself writes a small one as 1E-8."""
    units = pa.chunked_array([_units(chunk) for chunk in _chunks(column)], pa.decimal128(38, 0))
    digits = pc.ascii_lpad(pc.cast(units, pa.string()), _SCALE + 1, "0").cast(pa.binary())
    return [pc.binary_slice(digits, 0, -_SCALE), b".", pc.binary_slice(digits, -_SCALE)]


def _plain(integers: Any) -> Any:
    return pc.cast(integers, pa.string()).cast(pa.binary())


def _units(decimals: Any) -> Any:
    """Return the same numbers in units of the last digit, by another look at the same bytes."""
    return pa.Array.from_buffers(
        pa.decimal128(38, 0), len(decimals), decimals.buffers(), offset=decimals.offset
    )


def _chunks(column: Any) -> list[Any]:
    return list(column.chunks) if isinstance(column, pa.ChunkedArray) else [column]
