"""`GET /v1/klines` and `/v1/klines/latest`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import Connection

from api_historic.cursor import Position, write_cursor
from api_historic.klines.coverage import Asked, Coverage, missing_of, span_of_page
from api_historic.klines.layout import json_layout
from api_historic.klines.page import explain, write_page
from api_historic.klines.rows import KlineRows, Window, read_rows
from api_historic.native.parameters import KlinesQuery, NewestKlinesQuery, only
from api_historic.responses import bytes_response
from api_historic.service import Service
from market.shapes import KlinePage
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
        rows = read_rows(connection, series, window, json_layout(query.fields))
        coverage = _cover(connection, series, Asked(start_ms, query.end), rows, now_ms)
    following = write_cursor(Position(rows.open_times[-1] + 1)) if rows.has_more else None
    return write_page(series, query.fields, rows, coverage, following)


def answer_newest(service: Service, query: NewestKlinesQuery) -> bytes:
    """Return the page of the newest klines as JSON."""
    now_ms = service.now_ms()
    with service.store.read() as connection:
        series = find_series(connection, query.symbol_name(), query.interval)
        window = Window(None, None, query.limit, newest=True)
        rows = read_rows(connection, series, window, json_layout(query.fields))
        rows = rows._replace(has_more=False)
        coverage = _cover(connection, series, Asked(None, None), rows, now_ms)
    return write_page(series, query.fields, rows, coverage, None)


def _cover(
    connection: Connection, series: Series, asked: Asked, rows: KlineRows, now_ms: int
) -> Coverage:
    opens = (rows.open_times[0], rows.open_times[-1]) if rows.open_times else None
    span = span_of_page(series.interval, asked, opens, has_more=rows.has_more, now_ms=now_ms)
    missing = missing_of(series.interval, span, rows.open_times)
    return explain(connection, series, span, missing)
