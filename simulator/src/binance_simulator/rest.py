"""`/api/v3`: the endpoints, their weights and their headers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from binance_simulator import rejections
from binance_simulator.columns import in_microseconds
from binance_simulator.exchange import Exchange
from binance_simulator.exchange_info import build_rate_limits, is_wanted
from binance_simulator.history import Page
from binance_simulator.rejections import Rejection
from binance_simulator.requests import check_no_parameters, read_info_query, read_klines_query
from binance_simulator.weights import WEIGHTS, Verdict
from market.errors import DataError
from market.log import get_logger

log = get_logger()

#: Answers that come from in front of Binance's own servers have types of their own.
FAULT_TYPES = {403: "text/html", 502: "text/html"}

Handler = Callable[[Request], Awaitable[Response]]
Answer = Callable[[Exchange, Request], bytes]

_HEADERS = {
    "Content-Type": "application/json;charset=UTF-8",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
}


def build_rest_routes(exchange: Exchange) -> list[Route]:
    """Return the routes of `/api/v3`."""
    answers: dict[str, Answer] = {
        "/api/v3/ping": _ping,
        "/api/v3/time": _time,
        "/api/v3/exchangeInfo": _exchange_info,
        "/api/v3/klines": _klines,
        "/api/v3/uiKlines": _klines,
    }
    return [Route(path, _guard(exchange, path, answer)) for path, answer in answers.items()]


def _guard(exchange: Exchange, path: str, answer: Answer) -> Handler:
    """Wrap an answer with what all endpoints share: weight, faults, errors, headers."""

    async def handle(request: Request) -> Response:
        address = request.client.host if request.client else ""
        verdict = exchange.weights.spend(address, WEIGHTS[path], time.time())
        headers = _HEADERS | {
            "x-mbx-uuid": str(uuid.uuid4()),
            "x-mbx-used-weight": str(verdict.used),
            "x-mbx-used-weight-1m": str(verdict.used),
        }
        try:
            _refuse(exchange, verdict, path, headers)
            return Response(answer(exchange, request), 200, headers)
        except Rejection as rejection:
            return Response(rejection.body, rejection.status, headers)
        except DataError as error:
            log.error("file_damaged", detail=error.detail)
            return Response(rejections.unknown_error().body, 500, headers)

    return handle


def _refuse(exchange: Exchange, verdict: Verdict, path: str, headers: dict[str, str]) -> None:
    """Raise where the budget or an injected fault forbids the request."""
    if verdict.status != 200:
        headers["Retry-After"] = str(verdict.retry_after_s)
        if verdict.status == 418:
            raise rejections.banned(verdict.banned_until_ms)
        raise rejections.weight_used_up(exchange.weights.limit)
    fault = exchange.faults.take("status", path)
    if fault is None:
        return
    if fault.status in (418, 429):
        headers["Retry-After"] = "1"
    if fault.status in FAULT_TYPES:
        headers["Content-Type"] = FAULT_TYPES[fault.status]
    raise rejections.injected(fault.status, exchange.weights.limit, int(time.time() * 1000))


def _in_microseconds(request: Request) -> bool:
    unit = request.headers.get("x-mbx-time-unit")
    if unit is None or unit.upper() == "MILLISECOND":
        return False
    if unit.upper() != "MICROSECOND":
        raise rejections.invalid_value("X-MBX-TIME-UNIT")
    return True


def _ping(_exchange: Exchange, request: Request) -> bytes:
    check_no_parameters(request.query_params.multi_items())
    return b"{}"


def _time(exchange: Exchange, request: Request) -> bytes:
    check_no_parameters(request.query_params.multi_items())
    scale = 1000 if _in_microseconds(request) else 1
    return orjson.dumps({"serverTime": exchange.clock.now_ms() * scale})


def _exchange_info(exchange: Exchange, request: Request) -> bytes:
    symbols, sent = read_info_query(request.query_params.multi_items())
    if symbols is None:
        symbols = exchange.catalogue.symbols if is_wanted(sent) else []
    for symbol in symbols:
        exchange.check_symbol(symbol)
    scale = 1000 if _in_microseconds(request) else 1
    return orjson.dumps(
        {
            "timezone": "UTC",
            "serverTime": exchange.clock.now_ms() * scale,
            "rateLimits": build_rate_limits(exchange.weights.limit),
            "exchangeFilters": [],
            "symbols": [exchange.symbol_entry(symbol) for symbol in symbols],
        }
    )


def _klines(exchange: Exchange, request: Request) -> bytes:
    query = read_klines_query(request.query_params.multi_items())
    page = exchange.page(query)
    if _in_microseconds(request):
        return orjson.dumps([list(in_microseconds(row)) for row in page.klines()])
    return render_page(page)


def render_page(page: Page) -> bytes:
    """Return a page as the bare array of arrays, in milliseconds."""
    parts = [part.columns.json(part.start, part.stop) for part in page.parts]
    if page.open is not None:
        parts.append(orjson.dumps(list(page.open)))
    return b"[" + b",".join(parts) + b"]"
