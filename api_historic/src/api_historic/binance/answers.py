"""How `/api/v3` answers: Binance's headers, and its errors for a whole route."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api_historic.binance import rejections
from api_historic.binance.rejections import Rejection
from api_historic.responses import bytes_response
from market.api import RETRY_AFTER_S
from market.errors import RetryableError

JSON = "application/json;charset=UTF-8"
HEADERS = {
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
    # Clients that watch their weight see that none was used.
    "x-mbx-used-weight": "0",
    "x-mbx-used-weight-1m": "0",
}


class BinanceRoute(APIRoute):
    """A route whose errors are Binance's `{"code","msg"}`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, its errors answered."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Rejection as rejection:
                return rejected(rejection)
            except RetryableError:
                return rejected(rejections.internal_error(), {"Retry-After": str(RETRY_AFTER_S)})

        return answer


def answered(request: Request, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON body with Binance's headers and those given."""
    return bytes_response(request, body, media_type=JSON, headers={**HEADERS, **(headers or {})})


def rejected(rejection: Rejection, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error with Binance's headers and those given."""
    return Response(
        rejection.body, rejection.status, {**HEADERS, **(headers or {})}, media_type=JSON
    )


def wants_microseconds(request: Request) -> bool:
    """Tell in which unit times are to be answered.

    Raises:
        Rejection: the header names another unit.
    """
    unit = request.headers.get("X-MBX-TIME-UNIT", "MILLISECOND").upper()
    if unit not in ("MILLISECOND", "MICROSECOND"):
        raise rejections.invalid_time_unit()
    return unit == "MICROSECOND"
