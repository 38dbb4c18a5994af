"""Segments of a store, built and looked up as the history API does."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from api_historic.segments import Segment
from api_historic.segments.builder import Outcome, build_month
from api_historic.segments.folder import SegmentFolder
from market.gaps import Range
from market.kline import KLINE_FIELDS, Kline
from market.store import Store
from market.store.kline_months import month_of
from market.store.klines import read_klines
from market.store.symbols import Series

PLENTY = 1 << 30


def build(store: Store, path: Path, series: Series, *opens: int) -> list[Outcome]:
    """Build the segments of the months that some times lie in."""
    folder = SegmentFolder(path, PLENTY)
    return [build_month(store, folder, series, month_of(open_ms)) for open_ms in opens]


def stored_in(store: Store, series: Series, span: Range) -> list[Kline]:
    """Return what the store holds of a range, at most a million klines."""
    with store.read() as connection:
        return read_klines(connection, series, *span, 1_000_000)


def json_of(klines: list[Kline]) -> bytes:
    """Return the eleven default fields as JSON rows, written the obvious way."""
    return json.dumps([list(kline[:11]) for kline in klines], separators=(",", ":")).encode()[1:-1]


def klines_of(table: pa.Table) -> list[Kline]:
    """Return the klines of an Arrow table, its numbers as text."""
    times = ("open_time", "close_time")
    columns = {}
    for name in KLINE_FIELDS:
        column = table[name].cast(pa.int64()) if name in times else table[name]
        values = column.to_pylist()
        # Arrow itself writes a small one as 1E-8.
        is_decimal = pa.types.is_decimal(column.type)
        columns[name] = [f"{value:f}" for value in values] if is_decimal else values
    return [Kline(*row) for row in zip(*columns.values(), strict=True)]


def check_segment(store: Store, series: Series, segment: Segment, span: Range | None = None) -> int:
    """Compare all that a segment gives of a range with the store; return its klines."""
    start_ms, end_ms = span or segment.month
    inside = Range(max(start_ms, segment.month.start_ms), min(end_ms, segment.month.end_ms))
    klines = stored_in(store, series, inside)
    assert bytes(segment.json_rows(start_ms, end_ms)) == json_of(klines)
    assert klines_of(segment.table(start_ms, end_ms)) == klines
    whole = stored_in(store, series, segment.month)
    assert segment.open_times.tolist() == [kline.open_time_ms for kline in whole]
    assert segment.count == len(whole)
    assert segment.ignores_are_zero == all(kline.ignore == "0" for kline in whole)
    return len(klines)
