"""A page of klines as one JSON body: rows, and how complete their range is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from api_historic.cursor import Position, write_cursor
from api_historic.klines.answer import (
    Wish,
    asked_of,
    following_of,
    open_source,
    outline_series,
    span_of_extent,
)
from api_historic.klines.coverage import Coverage, describe_coverage, missing_of
from api_historic.klines.layout import json_layout
from api_historic.klines.rows import Window, read_rows
from api_historic.klines.scan import Extent
from market.store import Store
from market.store.gap_ledger import read_gaps
from market.store.symbols import Series, find_series


def read_page(store: Store, wish: Wish, limit: int, now_ms: int) -> bytes:
    """Return the page of a range of one series, at most `limit` klines.

    Raises:
        NotFound: the symbol is not known.
        StoreUnavailable: the database does not answer.
    """
    with store.read() as connection:
        series = find_series(connection, wish.symbols[0], wish.interval)
        if wish.as_of_ms is None and not wish.shape.iso:
            return _read_stored(connection, series, wish, limit, now_ms)
        source = open_source(connection, series, wish)
        page = (limit, wish.position)
        outline = outline_series(connection, source, wish, page, now_ms)
        layout = json_layout(wish.shape.fields, iso=wish.shape.iso)
        lines = source.iter_lines(
            outline.stretch.span,
            layout,
            iso=wish.shape.iso,
            is_descending=wish.shape.is_descending,
        )
        chunks = [chunk for chunk in lines if chunk]
    return write_page(series, wish.shape.fields, chunks, outline.coverage, outline.following_ms)


def _read_stored(
    connection: Connection, series: Series, wish: Wish, limit: int, now_ms: int
) -> bytes:
    """Return the page by one statement, which tells the open times beside the rows."""
    asked = asked_of(wish, wish.position)
    rows = read_rows(
        connection,
        series,
        Window(asked.start_ms, asked.end_ms, limit, newest=asked.is_descending),
        json_layout(wish.shape.fields),
        is_descending=asked.is_descending,
    )
    opens = rows.open_times[::-1] if asked.is_descending else rows.open_times
    extent = Extent(opens[0], opens[-1], rows.has_more) if opens else None
    span = span_of_extent(wish.interval, asked, extent, now_ms)
    missing = missing_of(wish.interval, span, opens)
    # Most ranges miss nothing: the ledger is asked only where there is something to explain.
    ledger = read_gaps(connection, series, *span) if missing else []
    coverage = describe_coverage(wish.interval, span, missing, ledger)
    following_ms = None if extent is None else following_of(asked, extent)
    return write_page(series, wish.shape.fields, rows.chunks, coverage, following_ms)


def write_page(
    series: Series,
    fields: Sequence[str],
    chunks: Sequence[bytes],
    coverage: Coverage,
    following_ms: int | None,
) -> bytes:
    """Return a `KlinePage` as JSON, its rows as they came: JSON arrays, joined by commas."""
    head: dict[str, Any] = {
        "symbol": series.symbol,
        "interval": series.interval.value,
        "fields": fields,
    }
    tail: dict[str, Any] = {
        "complete": not coverage.gaps,
        "completeness": coverage.completeness,
        "gaps": [gap._asdict() for gap in coverage.gaps],
        "next": None if following_ms is None else write_cursor(Position(following_ms)),
    }
    opening, ending = orjson.dumps(head)[:-1], orjson.dumps(tail)[1:]
    return b"".join([opening, b',"klines":[', b",".join(chunks), b"],", ending])
