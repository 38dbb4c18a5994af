"""`/v1/session`: signing in, who one is, signing out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api_historic.access.requests import (
    AccessRoute,
    access_of,
    actor_of,
    address_of,
    principal_of,
)
from api_historic.access.shapes import IdentityShape, SignIn, UsageShape
from market.access import credentials
from market.access.audit import write_audit
from market.access.principal import Principal
from market.access.scopes import SCOPES
from market.access.sessions import SessionLimits, SessionSecret, end_session
from market.access.sign_in import Attempt, sign_in
from market.access.threads import FewThreads
from market.access.usage import read_usages
from market.errors import Conflict, TooManyRequests
from market.store import Store

#: Each password takes 64 MiB and a tenth of a second: one at a time, and not many waiting.
_MOST_WAITING = 16


class _Door:
    """Where passwords are looked at, one after the other."""

    def __init__(self, store: Store, limits: SessionLimits) -> None:
        self._store = store
        self._limits = limits
        self._thread = FewThreads(1)
        self._waiting = 0

    async def enter(self, attempt: Attempt) -> SessionSecret:
        """Return a new session.

        Raises as `sign_in` does, and TooManyRequests where many wait already.
        """
        if self._waiting >= _MOST_WAITING:
            raise TooManyRequests("too many sign in at this moment", retry_after_s=1)
        self._waiting += 1
        try:
            return await self._thread(lambda: sign_in(self._store, attempt, self._limits))
        finally:
            self._waiting -= 1


def build_session_router(store: Store, limits: SessionLimits) -> APIRouter:
    """Return the routes of `/v1/session`."""
    router = APIRouter(tags=["access"], route_class=AccessRoute)
    door = _Door(store, limits)

    @router.post("/v1/session")
    async def post_session(body: SignIn, request: Request, response: Response) -> IdentityShape:
        """Sign in: sets the session's cookie, and answers the token for `X-CSRF-Token`.

        After five wrong passwords of a name each further one is to be waited for, up to 15
        minutes; a user that does not exist is answered the same.
        """
        credentials.check_origin(request.headers)
        before = request.cookies.get(_cookie_name(request))
        attempt = Attempt(
            body.user,
            body.password.get_secret_value(),
            address_of(request),
            SessionSecret(before) if before else None,
        )
        secret = await door.enter(attempt)
        gate = access_of(request).gate
        principal = await gate.identify(credentials.Credential("session", secret.text))
        _set_cookie(request, response, secret.text, limits.life_s)
        return await run_in_threadpool(_identity, store, principal, secret.csrf_token)

    @router.get("/v1/session")
    def get_session(request: Request) -> IdentityShape:
        """Tell who asks, what they may do, and what they used of their limits."""
        principal = principal_of(request)
        secret = request.cookies.get(_cookie_name(request))
        is_session = principal.kind == "session" and secret is not None
        token = SessionSecret(secret).csrf_token if is_session and secret else None
        return _identity(store, principal, token)

    @router.delete("/v1/session", status_code=204)
    def delete_session(request: Request, response: Response) -> None:
        """Sign out: the session ends in every process within seconds."""
        actor, name = actor_of(request), _cookie_name(request)
        secret = request.cookies.get(name)
        if principal_of(request).kind != "session" or secret is None:
            raise Conflict("a token is not signed out", hint="Revoke it.")
        with store.begin() as connection:
            end_session(connection, SessionSecret(secret).digest)
            write_audit(connection, actor, "session.end", actor.name)
        access_of(request).gate.forget()
        _set_cookie(request, response, "", 0)

    return router


def _identity(store: Store, principal: Principal, csrf_token: str | None) -> IdentityShape:
    with store.read() as connection:
        usages = read_usages(connection, [account.key for account in principal.accounts])
    return IdentityShape(
        kind=principal.kind,
        name=principal.name,
        user=principal.user,
        token_id=principal.token_id,
        scopes=[scope for scope in SCOPES if scope in principal.scopes],
        expires_ms=principal.expires_ms,
        usage=[
            UsageShape.of(account.limits, usages.get(account.key)) for account in principal.accounts
        ],
        csrf_token=csrf_token,
    )


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _cookie_name(request: Request) -> str:
    return credentials.SECURE_COOKIE if _is_secure(request) else credentials.COOKIE


def _set_cookie(request: Request, response: Response, value: str, life_s: int) -> None:
    response.set_cookie(
        _cookie_name(request),
        value,
        max_age=life_s,
        path="/",
        # Browsers send a Secure cookie over plain HTTP to their own machine at most.
        secure=_is_secure(request) or request.url.hostname not in _LOOPBACK,
        httponly=True,
        samesite="strict",
    )


_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
