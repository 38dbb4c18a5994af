"""What Binance has below `/api/v3` and this API has not, refused in Binance's words."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute

from api_historic.binance import rejections
from api_historic.binance.answers import rejected

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def build_unsupported_router(supported: Iterable[APIRouter]) -> APIRouter:
    """Return a route for all that the supported ones, which take GET alone, do not answer."""
    known = {
        route.path for router in supported for route in router.routes if isinstance(route, APIRoute)
    }
    router = APIRouter(prefix="/api/v3")

    @router.api_route("/{call:path}", methods=list(_METHODS), include_in_schema=False)
    async def refuse(call: str) -> Response:
        """Refuse the call, as an order would be."""
        if f"/api/v3/{call}" in known:
            return rejected(rejections.unsupported(405), {"Allow": "GET"})
        return rejected(rejections.unsupported(404))

    return router
