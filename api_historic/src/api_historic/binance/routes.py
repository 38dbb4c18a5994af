"""The routes of `/api/v3`: errors, headers and paging as Binance has them."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request, Response

from api_historic.binance import document, rejections
from api_historic.binance.answers import BinanceRoute, answered, wants_microseconds
from api_historic.binance.exchange_info import build_exchange_info
from api_historic.binance.parameters import (
    KlinesCall,
    check_no_parameters,
    read_info_call,
    read_klines_call,
)
from api_historic.binance.zones import is_shifted, read_shifted_rows
from api_historic.klines.coverage import Asked
from api_historic.klines.layout import Layout, json_layout
from api_historic.klines.rows import Window, read_rows
from api_historic.service import Service
from market.errors import NotFound
from market.kline import KLINE_FIELDS
from market.store.symbols import read_symbols


def build_binance_router(service: Service) -> APIRouter:
    """Return the routes of `/api/v3`."""
    router = APIRouter(prefix="/api/v3", tags=["binance"], route_class=BinanceRoute)

    @router.get("/ping", openapi_extra=document.PING)
    def ping(request: Request) -> Response:
        """Return an empty object."""
        check_no_parameters(request.query_params.multi_items())
        return answered(request, b"{}")

    @router.get("/time", openapi_extra=document.TIME)
    def time(request: Request) -> Response:
        """Return the exchange's time as this API knows it."""
        check_no_parameters(request.query_params.multi_items())
        unit = 1000 if wants_microseconds(request) else 1
        return answered(request, orjson.dumps({"serverTime": service.now_ms() * unit}))

    @router.get("/exchangeInfo", openapi_extra=document.EXCHANGE_INFO)
    def exchange_info(request: Request) -> Response:
        """Return the symbols of this installation, each as the exchange described it."""
        call = read_info_call(request.query_params.multi_items())
        with service.store.read() as connection:
            # As the exchange lists them: their numbers were given in its order.
            symbols = [symbol for _, symbol in sorted(read_symbols(connection))]
        return answered(request, build_exchange_info(symbols, call, service.now_ms()))

    @router.get("/klines", openapi_extra=document.KLINES)
    @router.get("/uiKlines", openapi_extra=document.KLINES)
    def klines(request: Request) -> Response:
        """Return stored klines as Binance's bare array of arrays."""
        call = read_klines_call(request.query_params.multi_items())
        microseconds = wants_microseconds(request)
        return answered(request, answer_klines(service, call, microseconds=microseconds))

    return router


def answer_klines(service: Service, call: KlinesCall, *, microseconds: bool) -> bytes:
    """Return the body of `klines`: empty where nothing of the interval is stored.

    Raises:
        Rejection: the symbol is not known.
    """
    end_ms = None if call.end_ms is None else call.end_ms + 1
    window = Window(call.start_ms, end_ms, call.limit, newest=call.start_ms is None)
    layout = json_layout(KLINE_FIELDS, microseconds=microseconds)
    is_moved = is_shifted(call.interval, call.zone_ms)
    closed = None if is_moved else _read_closed(service, call, window, layout)
    if closed is not None:
        return closed
    with service.store.read() as connection:
        try:
            series = service.library.find_series(connection, call.symbol, call.interval)
        except NotFound:
            raise rejections.invalid_symbol() from None
        if is_moved:
            return read_shifted_rows(
                connection, series, call.zone_ms, window, microseconds=microseconds
            )
        return read_rows(connection, series, window, layout).json()


def _read_closed(
    service: Service, call: KlinesCall, window: Window, layout: Layout
) -> bytes | None:
    """Return the body from segments, `None` where they alone can't tell it."""
    asked = Asked(window.start_ms, window.end_ms, is_descending=window.newest)
    now_ms = service.clock.now_ms()
    found = service.library.glance(call.symbol, call.interval, asked, window.limit, now_ms)
    if found is None:
        return None
    from api_historic.klines.closed import write_whole_rows
    from api_historic.klines.runs import find_run

    run = find_run(found[1].segments, asked, window.limit)
    return None if run is None else write_whole_rows(run, layout)
