"""A page of klines as one JSON body: rows, and how complete their range is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from api_historic.cursor import Position, write_cursor
from api_historic.klines.answer import (
    Outline,
    Wish,
    asked_of,
    caching_headers,
    cover,
    following_of,
    look_up,
    open_source,
    outline_series,
    span_of_extent,
)
from api_historic.klines.coverage import Asked, Coverage, describe_coverage, missing_of
from api_historic.klines.encoders import Stretch
from api_historic.klines.freshness import is_known
from api_historic.klines.layout import json_layout
from api_historic.klines.library import Library, Shelf
from api_historic.klines.rows import Window, read_rows
from api_historic.klines.scan import Extent
from api_historic.klines.sources import StoredKlines
from market.gaps import Range
from market.store.symbols import Series


class Page(NamedTuple):
    """A page as JSON and its headers; without a body where the client keeps it already."""

    body: bytes | None
    headers: dict[str, str]


def read_page(library: Library, wish: Wish, limit: int, now_ms: int) -> Page:
    """Return the page of a range of one series, at most `limit` klines.

    Raises:
        NotFound: the symbol is not known.
        StoreUnavailable: the database does not answer.
    """
    asked = asked_of(wish, wish.position)
    glanced = _read_at_a_glance(library, wish, asked, limit, now_ms)
    if glanced is not None:
        return glanced
    with library.store.read() as connection:
        series = library.find_series(connection, wish.symbols[0], wish.interval)
        shelf = look_up(connection, library, series, wish, asked, limit, now_ms)
        chunks: Sequence[bytes | memoryview] | None = None
        if wish.as_of_ms is None and not wish.shape.iso and not shelf.segments:
            outline, chunks = _read_stored(connection, series, wish, shelf, limit, now_ms)
        else:
            source = open_source(connection, series, wish, shelf)
            outline = outline_series(connection, source, shelf, asked, limit, now_ms)
        headers = caching_headers(wish, [outline])
        if is_known(headers.get("ETag", ""), wish.known):
            return Page(None, headers)
        if chunks is None:
            chunks = list(_iter_chunks(outline, wish))
    page = write_page(series, wish.shape.fields, chunks, outline.coverage, outline.following_ms)
    return Page(page, headers)


def _read_at_a_glance(
    library: Library, wish: Wish, asked: Asked, limit: int, now_ms: int
) -> Page | None:
    """Return the page from segments alone; `None` where they can't tell it, or miss klines."""
    if wish.as_of_ms is not None or wish.shape.iso or wish.shape.is_descending:
        return None
    found = library.glance(wish.symbols[0], wish.interval, asked, limit, now_ms)
    if found is None:
        return None
    from api_historic.klines.closed import ClosedKlines
    from api_historic.klines.runs import find_run

    series, shelf = found
    run = find_run(shelf.segments, asked, limit)
    if run is None:
        return None
    source = ClosedKlines(None, series, shelf.segments)
    extent = Extent(run.oldest_ms, run.newest_ms, run.has_more)
    span = span_of_extent(wish.interval, asked, extent, now_ms)
    if not source.holds(span) or source.find_missing(span):
        return None
    coverage = describe_coverage(wish.interval, span, [], [])
    stretch = Stretch(source, Range(run.oldest_ms, run.newest_ms + 1))
    following_ms = following_of(asked, extent)
    outline = Outline(stretch, span, coverage, shelf.stamps_of(span), following_ms)
    headers = caching_headers(wish, [outline])
    if is_known(headers.get("ETag", ""), wish.known):
        return Page(None, headers)
    chunks = list(_iter_chunks(outline, wish))
    return Page(write_page(series, wish.shape.fields, chunks, coverage, following_ms), headers)


def _iter_chunks(outline: Outline, wish: Wish) -> Iterator[bytes | memoryview]:
    source, span = outline.stretch
    shape = wish.shape
    lines = source.iter_lines(
        span,
        json_layout(shape.fields, iso=shape.iso),
        iso=shape.iso,
        is_descending=shape.is_descending,
    )
    return (chunk for chunk in lines if chunk)


def _read_stored(
    connection: Connection, series: Series, wish: Wish, shelf: Shelf, limit: int, now_ms: int
) -> tuple[Outline, list[bytes]]:
    """Read the page by one statement, which tells the open times beside the rows."""
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
    coverage = cover(connection, series, span, missing_of(wish.interval, span, opens))
    following_ms = None if extent is None else following_of(asked, extent)
    stretch = Stretch(StoredKlines(connection, series), Range(0, 0))
    return Outline(stretch, span, coverage, shelf.stamps_of(span), following_ms), rows.chunks


def write_page(
    series: Series,
    fields: Sequence[str],
    chunks: Sequence[bytes | memoryview],
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
