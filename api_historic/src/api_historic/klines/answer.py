"""What answers a request for klines: which stretches of which series, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import Connection

from api_historic.cursor import Position, write_cursor
from api_historic.klines.coverage import Asked, Coverage, describe_coverage, span_of_page
from api_historic.klines.encoders import Shape, Stretch, iter_encoded
from api_historic.klines.formats import MEDIA_TYPES, Format
from api_historic.klines.freshness import CLOSED, OPEN, closed_etag, is_known
from api_historic.klines.library import Library, Shelf, open_stored
from api_historic.klines.scan import Extent
from api_historic.klines.sources import KnownKlines, Source
from market.gaps import Gap, Range
from market.interval import Interval
from market.store.gap_ledger import read_gaps
from market.store.symbols import Series

#: Gaps a header tells of; a body tells of all.
_HEADER_GAPS = 50


class Wish(NamedTuple):
    """A request for klines, its parameters checked.

    `key` names the answer, and `known` are the tags of those the client keeps.
    """

    symbols: list[str]
    interval: Interval
    start_ms: int | None
    end_ms: int | None
    limit: int | None
    as_of_ms: int | None
    position: Position | None
    shape: Shape
    key: str = ""
    known: str | None = None


class Outline(NamedTuple):
    """What a series contributes: the klines of a stretch, and how complete its span is.

    `stamps` are those of the span's months where all of them are closed. `following_ms` is
    where the next page goes on where a limit cut.
    """

    stretch: Stretch
    span: Range
    coverage: Coverage
    stamps: list[int] | None
    following_ms: int | None


class Head(NamedTuple):
    """What goes before the bytes of an answer; a 304 has none."""

    media_type: str
    headers: dict[str, str]
    status: int = 200


def iter_answer(
    library: Library, wish: Wish, form: Format, now_ms: int
) -> Iterator[Head | bytes | memoryview]:
    """Yield the head of an answer in any format but JSON, then its body, part by part.

    Head and body are of one snapshot. Closing it gives the connection back.

    Raises:
        NotFound: a symbol is not known.
        TooManyRequests: too many long answers are being sent.
        StoreUnavailable: the database does not answer.
    """
    with library.streaming(), library.store.read() as connection:
        outlines, cursor = _outline_all(connection, library, wish, now_ms)
        caching = caching_headers(wish, outlines)
        if is_known(caching.get("ETag", ""), wish.known):
            yield Head(MEDIA_TYPES[form], caching, 304)
            return
        yield Head(MEDIA_TYPES[form], caching | _headers(outlines, cursor, wish.shape))
        stretches = [outline.stretch for outline in outlines]
        yield from iter_encoded(form, stretches, wish.shape)


def caching_headers(wish: Wish, outlines: Sequence[Outline]) -> dict[str, str]:
    """Return how long an answer may be kept, with its tag where its months are closed."""
    stamps = [outline.stamps for outline in outlines if outline.stamps is not None]
    if wish.as_of_ms is not None or len(stamps) < len(outlines):
        return {"Cache-Control": OPEN}
    gaps = [outline.coverage.gaps for outline in outlines]
    return {"Cache-Control": CLOSED, "ETag": closed_etag(wish.key, stamps, gaps)}


def _outline_all(
    connection: Connection, library: Library, wish: Wish, now_ms: int
) -> tuple[list[Outline], str | None]:
    """Return what each series contributes, and the cursor of the next page."""
    first = 0 if wish.position is None else wish.position.skip
    all_series = [library.find_series(connection, name, wish.interval) for name in wish.symbols]
    outlines: list[Outline] = []
    left = wish.limit
    for number, series in enumerate(all_series[first:], start=first):
        asked = asked_of(wish, wish.position if number == first else None)
        shelf = look_up(connection, library, series, wish, asked, left, now_ms)
        source = open_source(connection, series, wish, shelf)
        outline = outline_series(connection, source, shelf, asked, left, now_ms)
        outlines.append(outline)
        if outline.following_ms is not None:
            return outlines, write_cursor(Position(outline.following_ms, number))
        if left is not None and number + 1 < len(all_series):
            left -= source.count(outline.stretch.span)
            if left == 0:
                return outlines, write_cursor(Position(0, number + 1))
    return outlines, None


def look_up(  # noqa: PLR0913  what a look-up needs, once
    connection: Connection,
    library: Library,
    series: Series,
    wish: Wish,
    asked: Asked,
    limit: int | None,
    now_ms: int,
) -> Shelf:
    """Return what there is of closed months; of the past as it was known, nothing."""
    if wish.as_of_ms is not None:
        return Shelf([], [])
    return library.look_up(connection, series, asked, limit, now_ms)


def open_source(connection: Connection, series: Series, wish: Wish, shelf: Shelf) -> Source:
    """Return where the klines of a series come from."""
    if wish.as_of_ms is not None:
        return KnownKlines(connection, series, wish.as_of_ms)
    return open_stored(connection, series, shelf)


def outline_series(
    connection: Connection,
    source: Source,
    shelf: Shelf,
    asked: Asked,
    limit: int | None,
    now_ms: int,
) -> Outline:
    """Return what a series contributes to a page of at most so many klines."""
    extent = source.find_extent(asked, limit)
    span = span_of_extent(source.series.interval, asked, extent, now_ms)
    coverage = cover(connection, source.series, span, source.find_missing(span))
    if extent is None:
        return Outline(Stretch(source, Range(0, 0)), span, coverage, shelf.stamps_of(span), None)
    stretch = Stretch(source, Range(extent.oldest_ms, extent.newest_ms + 1))
    following_ms = following_of(asked, extent)
    return Outline(stretch, span, coverage, shelf.stamps_of(span), following_ms)


def cover(
    connection: Connection, series: Series, span: Range, missing: Sequence[Range]
) -> Coverage:
    """Return the coverage of a span, its holes with the ledger's causes."""
    # Most ranges miss nothing: the ledger is asked only where there is something to explain.
    ledger = read_gaps(connection, series, *span) if missing else []
    return describe_coverage(series.interval, span, missing, ledger)


def asked_of(wish: Wish, position: Position | None) -> Asked:
    """Return the range of open times a page may answer from."""
    is_descending = wish.shape.is_descending
    start_ms, end_ms = wish.start_ms, wish.end_ms
    # A position of time 0 begins a series.
    if position is None or not position.time_ms:
        return Asked(start_ms, end_ms, is_descending)
    if is_descending:
        return Asked(start_ms, position.time_ms, is_descending, is_continued=True)
    return Asked(position.time_ms, end_ms, is_descending, is_continued=True)


def span_of_extent(interval: Interval, asked: Asked, extent: Extent | None, now_ms: int) -> Range:
    """Return the range a page of that extent speaks for."""
    opens = None if extent is None else (extent.oldest_ms, extent.newest_ms)
    has_more = extent is not None and extent.has_more
    return span_of_page(interval, asked, opens, has_more=has_more, now_ms=now_ms)


def following_of(asked: Asked, extent: Extent) -> int | None:
    """Return where the next page goes on: behind its last kline, or before it."""
    if not extent.has_more:
        return None
    return extent.oldest_ms if asked.is_descending else extent.newest_ms + 1


def _headers(outlines: Sequence[Outline], cursor: str | None, shape: Shape) -> dict[str, str]:
    gaps = [
        (outline.stretch.source.series.symbol, gap)
        for outline in outlines
        for gap in outline.coverage.gaps
    ]
    headers = {
        "X-Klinecast-Complete": "false" if gaps else "true",
        "X-Klinecast-Completeness": str(_completeness(outlines)),
        "X-Klinecast-Gaps": orjson.dumps(
            [_gap(symbol, gap, shape.names_symbol) for symbol, gap in gaps[:_HEADER_GAPS]]
        ).decode(),
    }
    if len(gaps) > _HEADER_GAPS:
        headers["X-Klinecast-Gaps-Omitted"] = str(len(gaps) - _HEADER_GAPS)
    if cursor is not None:
        headers["X-Klinecast-Next"] = cursor
    return headers


def _gap(symbol: str, gap: Gap, names_symbol: bool) -> dict[str, object]:
    told: dict[str, object] = {"symbol": symbol} if names_symbol else {}
    return told | gap._asdict()


def _completeness(outlines: Sequence[Outline]) -> float:
    """Return the fraction of all series' slots that hold a kline."""
    slots = [outline.stretch.source.series.interval.count(*outline.span) for outline in outlines]
    if not sum(slots):
        return 1.0
    held = [
        outline.coverage.completeness * count
        for outline, count in zip(outlines, slots, strict=True)
    ]
    return sum(held) / sum(slots)
