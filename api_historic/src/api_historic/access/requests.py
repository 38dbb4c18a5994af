"""What the routes of access share: who asks, and bodies whose errors repeat no secret."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from market.access.audit import Actor
from market.access.check import PRINCIPAL, Access
from market.access.principal import Principal
from market.errors import Forbidden, InvalidParameter

#: What these answers tell is for who asked alone, and now.
PRIVATE = {"Cache-Control": "no-store"}


class AccessRoute(APIRoute):
    """A route that answers no secret back, and lets nobody keep what it answers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, its errors without values."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except RequestValidationError as error:
                problem = error.errors()[0]
                where = ".".join(str(part) for part in problem["loc"])
                expected = problem["msg"].replace("Input should be ", "")
                raise InvalidParameter(where, "(not repeated)", expected) from None
            response.headers.update(PRIVATE)
            return response

        return answer


def access_of(request: Request) -> Access:
    """Return what this process knows of access."""
    access: Access = request.app.state.access
    return access


def principal_of(request: Request) -> Principal:
    """Return who asks; the check let nobody else through to here."""
    principal: Principal = request.scope[PRINCIPAL]
    return principal


def user_of(principal: Principal) -> str:
    """Return the user behind a request for what is a user's own.

    Raises:
        Forbidden: there is none, or it is a token that asks: one may not make others.
    """
    if principal.user is None or principal.kind != "session":
        raise Forbidden(
            "this is for users who have signed in",
            hint="Sign in with POST /v1/session; administrators have /v1/admin/tokens.",
        )
    return principal.user


def address_of(request: Request) -> str:
    """Return the address a request comes from."""
    return request.client.host if request.client is not None else "unknown"


def actor_of(request: Request) -> Actor:
    """Return who asks, as the audit log names them."""
    return Actor(principal_of(request).name, address_of(request))
