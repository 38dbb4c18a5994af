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
from binance_simulator.account import tell_restrictions
from binance_simulator.columns import in_microseconds
from binance_simulator.delivery import deliver
from binance_simulator.exchange import Exchange
from binance_simulator.exchange_info import build_rate_limits, is_wanted
from binance_simulator.faults.answers import Ban, RateLimit, Status
from binance_simulator.faults.when import Asked
from binance_simulator.history import Page
from binance_simulator.rejections import Rejection
from binance_simulator.requests import check_no_parameters, read_info_query, read_klines_query
from binance_simulator.weights import WEIGHTS
from market.errors import DataError, InvalidParameter
from market.interval import Interval
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
    """Return the routes of `/api/v3`, and the one that tells what a key may do."""
    answers: dict[str, Answer] = {
        "/api/v3/ping": _ping,
        "/api/v3/time": _time,
        "/api/v3/exchangeInfo": _exchange_info,
        "/api/v3/klines": _klines,
        "/api/v3/uiKlines": _klines,
        "/sapi/v1/account/apiRestrictions": tell_restrictions,
    }
    return [Route(path, _guard(exchange, path, answer)) for path, answer in answers.items()]


def _guard(exchange: Exchange, path: str, answer: Answer) -> Handler:
    """Wrap an answer with what all endpoints share: weight, faults, errors, headers."""

    async def handle(request: Request) -> Response:
        asked = _asked(request, path)
        headers = _HEADERS | {"x-mbx-uuid": str(uuid.uuid4())}
        try:
            _admit(exchange, request, asked, headers)
            content, status = answer(exchange, request), 200
        except Rejection as rejection:
            content, status = rejection.body, rejection.status
        except DataError as error:
            log.error("file_damaged", detail=error.detail)
            content, status = rejections.unknown_error().body, 500
        if status in (418, 429):
            # Who could not read that it has to wait is not to be blamed for sending.
            return Response(content, status, headers)
        return deliver(exchange.faults, asked, content, status, headers)

    return handle


def _asked(request: Request, path: str) -> Asked:
    interval = request.query_params.get("interval")
    try:
        known = None if interval is None else Interval.parse(interval)
    except InvalidParameter:
        known = None
    return Asked(path, request.query_params.get("symbol"), known, "rest")


def _admit(exchange: Exchange, request: Request, asked: Asked, headers: dict[str, str]) -> None:
    """Count the request, and raise where the budget or a fault forbids it."""
    address = request.client.host if request.client else ""
    machine_s, budget = time.time(), exchange.weights
    weight = WEIGHTS[asked.path]
    agent = request.headers.get("user-agent", "")
    port = request.client.port if request.client else 0
    sender = f"{request.url.path}?{request.url.query} from {agent} at port {port}"
    exchange.traffic.request(address, weight, machine_s, sender[:500])
    limited = exchange.faults.strike(RateLimit, asked)
    ban = exchange.faults.strike(Ban, asked)
    if limited is not None:
        budget.limit(address, limited.retry_after_s, machine_s)
    if ban is not None:
        budget.ban(address, ban.retry_after_s, machine_s)
    verdict = budget.spend(address, weight, machine_s)
    headers |= {
        "x-mbx-used-weight": str(verdict.used),
        "x-mbx-used-weight-1m": str(verdict.used),
    }
    fault = exchange.faults.strike(Status, asked) if verdict.status == 200 else None
    status = verdict.status if fault is None else fault.status
    if status in (418, 429):
        retry_after_s = verdict.retry_after_s if fault is None else fault.retry_after_s
        headers["Retry-After"] = str(retry_after_s)
        # Held against a client is what is meant; what is told is rounded up.
        wait_s = verdict.wait_s if fault is None else fault.retry_after_s
        exchange.traffic.refused(address, status, wait_s, machine_s)
    if fault is not None:
        headers["Content-Type"] = FAULT_TYPES.get(status, headers["Content-Type"])
        until_ms = int((machine_s + fault.retry_after_s) * 1000)
        raise rejections.injected(status, exchange.limits.weight, until_ms)
    if status == 418:
        raise rejections.banned(verdict.banned_until_ms)
    if status == 429 and verdict.by_number:
        raise rejections.too_many_requests()
    if status == 429:
        raise rejections.weight_used_up(exchange.limits.weight)


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
    return orjson.dumps({"serverTime": exchange.told_ms() * scale})


def _exchange_info(exchange: Exchange, request: Request) -> bytes:
    symbols, sent = read_info_query(request.query_params.multi_items())
    if symbols is None:
        symbols = [
            symbol
            for symbol in exchange.catalogue.symbols
            if (status := exchange.status(symbol)) is not None and is_wanted(sent, status)
        ]
    for symbol in symbols:
        exchange.check_symbol(symbol)
    scale = 1000 if _in_microseconds(request) else 1
    return orjson.dumps(
        {
            "timezone": "UTC",
            "serverTime": exchange.told_ms() * scale,
            "rateLimits": build_rate_limits(exchange.limits),
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
