"""What Binance does not have: health, and the controls tests turn. Only from this machine."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from binance_simulator.exchange import Exchange
from market.errors import InvalidParameter
from market.times import format_time, parse_time_ms


def build_control_routes(exchange: Exchange) -> list[Route]:
    """Return the routes of `/simulator`, `/healthz` and `/readyz`."""

    async def faults(request: Request) -> Response:
        def add(asked: dict[str, object]) -> None:
            exchange.set_fault(asked)

        return await _control(request, add, lambda: {"faults": exchange.faults.tell()})

    async def clock(request: Request) -> Response:
        def turn(asked: dict[str, object]) -> None:
            _set_clock(exchange, asked)

        return await _control(request, turn, lambda: _tell_clock(exchange))

    async def requests(request: Request) -> Response:
        def reset(asked: dict[str, object]) -> None:
            if asked != {"reset": True}:
                raise InvalidParameter("requests", asked, '{"reset": true}')
            exchange.traffic.reset()

        return await _control(request, reset, exchange.traffic.tell)

    async def alive(_request: Request) -> Response:
        return _json({"alive": True})

    async def ready(_request: Request) -> Response:
        return _json({"ready": True, "checks": {"data": "ok"}})

    return [
        Route("/simulator/faults", faults, methods=["GET", "POST"]),
        Route("/simulator/clock", clock, methods=["GET", "POST"]),
        Route("/simulator/requests", requests, methods=["GET", "POST"]),
        Route("/healthz", alive),
        Route("/readyz", ready),
    ]


async def _control(
    request: Request,
    change: Callable[[dict[str, object]], None],
    tell: Callable[[], dict[str, object]],
) -> Response:
    if not _is_local(request):
        return _error(403, "Forbidden", "the controls answer only to this machine")
    if request.method == "POST":
        try:
            asked = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            asked = None
        if not isinstance(asked, dict):
            return _error(422, "InvalidParameter", "the body was not a JSON object")
        try:
            change(asked)
        except InvalidParameter as error:
            return _error(422, "InvalidParameter", error.detail)
    return _json(tell())


def _is_local(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _set_clock(exchange: Exchange, asked: dict[str, object]) -> None:
    unknown = set(asked) - {"now", "speed"}
    if unknown:
        raise InvalidParameter("clock", sorted(unknown), "now and speed")
    now, speed = asked.get("now"), asked.get("speed", exchange.clock.speed)
    if now is not None and not isinstance(now, str | int):
        raise InvalidParameter("now", now, "a time")
    if isinstance(speed, bool) or not isinstance(speed, int | float):
        raise InvalidParameter("speed", speed, "a number")
    now_ms = exchange.clock.now_ms() if now is None else parse_time_ms("now", now)
    exchange.clock.set(now_ms, speed)


def _tell_clock(exchange: Exchange) -> dict[str, object]:
    now_ms = exchange.clock.now_ms()
    return {
        "now_ms": now_ms,
        "now": format_time(now_ms),
        "speed": exchange.clock.speed,
        "end_ms": exchange.clock.end_ms,
        "ended": now_ms >= exchange.clock.end_ms,
    }


def _json(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _error(status: int, error: str, detail: str) -> Response:
    return _json({"error": error, "detail": detail, "hint": ""}, status)
