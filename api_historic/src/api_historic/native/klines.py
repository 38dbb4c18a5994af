"""`GET /v1/klines` and `/v1/klines/latest`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import Connection

from api_historic.coverage import Coverage, describe_coverage, missing_of, span_of_page
from api_historic.cursor import Position, write_cursor
from api_historic.kline_rows import KlineRows, Window, read_rows
from api_historic.native.parameters import KlinesQuery, NewestKlinesQuery, only
from api_historic.responses import bytes_response
from api_historic.service import Service
from market.gaps import Range
from market.shapes import KlinePage
from market.store.gap_ledger import read_gaps
from market.store.symbols import Series, find_series


def build_kline_router(service: Service) -> APIRouter:
    """Return the routes about klines."""
    router = APIRouter(tags=["klines"])

    @router.get("/v1/klines", response_model=KlinePage, dependencies=[Depends(only(KlinesQuery))])
    def klines(request: Request, query: Annotated[KlinesQuery, Query()]) -> Response:
        """Return the klines opening in [start, end), oldest first, and what is missing there."""
        query.check_range()
        return bytes_response(request, answer_range(service, query))

    @router.get(
        "/v1/klines/latest",
        response_model=KlinePage,
        dependencies=[Depends(only(NewestKlinesQuery))],
    )
    def newest_klines(request: Request, query: Annotated[NewestKlinesQuery, Query()]) -> Response:
        """Return the newest klines, oldest first, and what is missing since the first."""
        return bytes_response(request, answer_newest(service, query))

    return router


def answer_range(service: Service, query: KlinesQuery) -> bytes:
    """Return the page of a range as JSON."""
    position = query.position()
    start_ms = query.start if position is None else position.time_ms
    now_ms = service.now_ms()
    with service.store.read() as connection:
        series = find_series(connection, query.symbol_name(), query.interval)
        window = Window(start_ms, query.end, query.limit)
        rows = read_rows(connection, series, window, fields=query.fields)
        span = span_of_page(
            query.interval,
            (start_ms, query.end),
            rows.open_times,
            has_more=rows.has_more,
            now_ms=now_ms,
        )
        coverage = _cover(connection, series, span, rows)
    following = write_cursor(Position(rows.open_times[-1] + 1)) if rows.has_more else None
    return write_page(series, query.fields, rows, coverage, following)


def answer_newest(service: Service, query: NewestKlinesQuery) -> bytes:
    """Return the page of the newest klines as JSON."""
    now_ms = service.now_ms()
    with service.store.read() as connection:
        series = find_series(connection, query.symbol_name(), query.interval)
        window = Window(None, None, query.limit, newest=True)
        rows = read_rows(connection, series, window, fields=query.fields)
        span = span_of_page(
            query.interval, (None, None), rows.open_times, has_more=False, now_ms=now_ms
        )
        coverage = _cover(connection, series, span, rows)
    return write_page(series, query.fields, rows, coverage, None)


def _cover(connection: Connection, series: Series, span: Range, rows: KlineRows) -> Coverage:
    missing = missing_of(series.interval, span, rows.open_times)
    # Most ranges miss nothing: the ledger is asked only where there is something to explain.
    ledger = read_gaps(connection, series, *span) if missing else []
    return describe_coverage(series.interval, span, missing, ledger)


def write_page(
    series: Series,
    fields: Sequence[str],
    rows: KlineRows,
    coverage: Coverage,
    following: str | None,
) -> bytes:
    """Return a `KlinePage` as JSON, its rows as they came from the store."""
    head: dict[str, Any] = {
        "symbol": series.symbol,
        "interval": series.interval.value,
        "fields": fields,
    }
    tail: dict[str, Any] = {
        "complete": not coverage.gaps,
        "completeness": coverage.completeness,
        "gaps": [gap._asdict() for gap in coverage.gaps],
        "next": following,
    }
    opening, ending = orjson.dumps(head)[:-1], orjson.dumps(tail)[1:]
    return b"".join([opening, b',"klines":', *rows.json_parts(), b",", ending])
