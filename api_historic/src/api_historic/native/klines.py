"""`GET /v1/klines` and `/v1/klines/latest`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.exceptions import HTTPException

from api_historic.klines.answer import Wish, iter_answer
from api_historic.klines.coverage import (
    Asked,
    describe_coverage,
    missing_of,
    span_of_page,
)
from api_historic.klines.encoders import Shape
from api_historic.klines.formats import MEDIA_TYPES, Format, accepted_format
from api_historic.klines.freshness import DIGEST_BYTES, body_etag, is_known
from api_historic.klines.layout import json_layout
from api_historic.klines.page import Page, read_page, write_page
from api_historic.klines.rows import Window, read_rows
from api_historic.klines.sending import StreamedAnswer
from api_historic.native.kline_parameters import KlinesQuery
from api_historic.native.parameters import NewestKlinesQuery
from api_historic.native.thin_route import ThinRoute
from api_historic.responses import bytes_response
from api_historic.service import Service
from market.shapes import KlinePage
from market.store.gap_ledger import read_gaps
from market.store.symbols import find_series

_FORMATS: dict[str, Any] = {
    media_type: {"schema": {"type": "string", "format": "binary"}}
    for form, media_type in MEDIA_TYPES.items()
    if form is not Format.JSON
}


def build_kline_router(service: Service) -> APIRouter:
    """Return the routes about klines."""
    router = APIRouter(tags=["klines"], route_class=ThinRoute)

    @router.get(
        "/v1/klines",
        response_model=KlinePage,
        responses={200: {"content": _FORMATS}},
    )
    def klines(request: Request, query: Annotated[KlinesQuery, Query()]) -> Response:
        """Return the klines opening in [start, end), and how complete that range is.

        JSON tells it in the body; the other formats, which stream, in the headers
        `X-Klinecast-Complete`, `-Completeness`, `-Gaps` and `-Next`.
        """
        form = query.format or accepted_format(request.headers.get("Accept"))
        if form is None:
            offered = ", ".join(MEDIA_TYPES.values())
            raise HTTPException(406, f"none of {offered} is accepted by this request")
        query.check(form)
        wish, now_ms = read_wish(request, query, form), service.now_ms()
        if form is not Format.JSON:
            return StreamedAnswer(lambda: iter_answer(service.library, wish, form, now_ms))
        return _answer_page(request, read_page(service.library, wish, wish.limit or 1, now_ms))

    @router.get(
        "/v1/klines/latest",
        response_model=KlinePage,
    )
    def newest_klines(request: Request, query: Annotated[NewestKlinesQuery, Query()]) -> Response:
        """Return the newest klines, oldest first, and what is missing since the first."""
        return bytes_response(request, answer_newest(service, query))

    return router


def read_wish(request: Request, query: KlinesQuery, form: Format) -> Wish:
    """Return what a request means in that format."""
    symbols = query.symbol_names()
    return Wish(
        symbols,
        query.interval,
        query.start,
        query.end,
        query.limit_in(form),
        query.as_of,
        query.position(),
        Shape(query.fields, len(symbols) > 1, query.order == "desc", query.times == "iso"),
        f"{request.url.path}?{request.url.query} {form}",
        request.headers.get("If-None-Match"),
    )


def _answer_page(request: Request, page: Page) -> Response:
    if page.body is None:
        return Response(status_code=304, headers=page.headers)
    headers = page.headers
    if "ETag" not in headers and len(page.body) <= DIGEST_BYTES:
        headers = {**headers, "ETag": body_etag(page.body)}
        if is_known(headers["ETag"], request.headers.get("If-None-Match")):
            return Response(status_code=304, headers=headers)
    return bytes_response(request, page.body, headers=headers)


def answer_newest(service: Service, query: NewestKlinesQuery) -> bytes:
    """Return the page of the newest klines as JSON."""
    now_ms, interval = service.now_ms(), query.interval
    with service.store.read() as connection:
        series = find_series(connection, query.symbol_name(), interval)
        window = Window(None, None, query.limit, newest=True)
        rows = read_rows(connection, series, window, json_layout(query.fields))
        opens = (rows.open_times[0], rows.open_times[-1]) if rows.open_times else None
        span = span_of_page(interval, Asked(None, None), opens, has_more=False, now_ms=now_ms)
        missing = missing_of(interval, span, rows.open_times)
        ledger = read_gaps(connection, series, *span) if missing else []
    coverage = describe_coverage(interval, span, missing, ledger)
    return write_page(series, query.fields, rows.chunks, coverage, None)
