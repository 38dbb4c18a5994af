"""Klines as Arrow columns: their types, from lines of text, and back to text.

Numbers stay exact: decimals are never floats. Importing this module loads pyarrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from api_historic.klines.layout import FREE_TEXT, TIMES, Layout, Quoting
from market.kline import KLINE_FIELDS

PRICE = pa.decimal128(20, 8)
AMOUNT = pa.decimal128(28, 8)
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
        parts += [words, _text_of(table.column(field), field, layout, iso=iso)]
    parts.append(layout.end + layout.separator.decode())
    joined = pc.binary_join_element_wise(*parts, "")
    chunks = joined.chunks if isinstance(joined, pa.ChunkedArray) else [joined]
    text = b"".join(_values_of(chunk) for chunk in chunks)
    return text[: -len(layout.separator)]


def _values_of(strings: Any) -> bytes | memoryview:
    offsets = memoryview(strings.buffers()[1]).cast("i")
    first, last = offsets[strings.offset], offsets[strings.offset + len(strings)]
    return memoryview(strings.buffers()[2])[first:last]


def _text_of(column: Any, field: str, layout: Layout, *, iso: bool) -> Any:
    if field in TIMES:
        if iso:
            return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
        text = pc.cast(column.cast(pa.int64()), pa.string())
        if layout.microseconds:
            return pc.binary_join_element_wise(text, "999" if field == "close_time" else "000", "")
        return text
    if field == FREE_TEXT:
        if layout.quoting is Quoting.JSON:
            return _json_quoted(column)
        doubled = pc.replace_substring(column, '"', '""')
        return pc.binary_join_element_wise('"', doubled, '"', "")
    return pc.cast(column, pa.string())


def _json_quoted(column: Any) -> Any:
    # What the store keeps there is printable ASCII without a backslash.
    return pc.binary_join_element_wise('"', pc.replace_substring(column, '"', '\\"'), '"', "")
