"""The one check of access, in front of both APIs: ASGI middleware."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from market.access import credentials
from market.access.credentials import Credential, Headers
from market.access.gate import Gate
from market.access.live import LiveAnswer
from market.access.meter import Meter
from market.access.openapi import describe_access
from market.access.principal import Principal
from market.access.refusals import build_refusal
from market.access.scopes import Need, is_always_guarded, is_binances, need_of
from market.access.sessions import SessionLimits
from market.access.settings import AccessSettings
from market.access.standing import Standing, nearest
from market.access.threads import FewThreads
from market.body_limit import BodyLimit
from market.errors import Forbidden, KlinecastError, Unauthorized
from market.store.engine import Store

#: Threads, and so connections of the store, that access has for itself.
_THREADS = 2
#: Where the scope of a request tells who sent it.
PRINCIPAL = "klinecast.principal"
_SHORTEST_CHECK_S = 0.5


class Access:
    """What one process knows of access: its gate, its meter and whether they are asked.

    Attributes:
        required: whether everybody has to show something; else only who wants to administer.
        cache_s: how long what was checked is taken unchecked.
    """

    def __init__(
        self, store: Store, settings: AccessSettings, session_limits: SessionLimits | None
    ) -> None:
        in_thread = FewThreads(_THREADS)
        self.required = settings.auth == "required"
        self.cache_s = settings.access_cache_s
        self.gate = Gate(store, in_thread, settings.access_cache_s, session_limits)
        self.meter = Meter(store, in_thread)

    def need_of(self, method: str, path: str) -> Need:
        """Return what a request needs here."""
        if self.required or is_always_guarded(path):
            return need_of(method, path)
        return "free"

    async def count(self, principal: Principal) -> Standing | None:
        """Count a request on all of its accounts; return the limit nearest to its end.

        Raises:
            TooManyRequests: one has nothing left; then none is charged.
        """
        found: list[Standing] = []
        for number, account in enumerate(principal.accounts):
            try:
                standing = await self.meter.spend(account)
            except KlinecastError:
                for charged in principal.accounts[:number]:
                    self.meter.give_back(charged)
                raise
            if standing is not None:
                found.append(standing)
        return nearest(found)


def install_access(
    app: FastAPI,
    store: Store,
    settings: AccessSettings,
    *,
    session_limits: SessionLimits | None = None,
) -> Access:
    """Put the check in front of an app's routes, inside of what was or will be added around it.

    Call it before `install_manners`, so that refusals are measured and get their request id.

    Args:
        session_limits: where users sign in, when their sessions end.
    """
    access = Access(store, settings, session_limits)
    app.state.access = access
    app.add_middleware(BodyLimit)
    app.add_middleware(AccessCheck, access=access)
    describe_access(app, required=access.required)
    return access


class AccessCheck:
    """Lets through who may; tells routes who that is."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, self._flushing(receive), send)
            return
        path, method = scope["path"], scope.get("method", "GET")
        need = self._access.need_of(method, path)
        try:
            credentials.check_address(path.encode(), scope["query_string"])
            if need == "free":
                await self._app(scope, receive, send)
                return
            headers = credentials.headers_of(scope["headers"])
            credential, principal = await self._identify(scope, headers, need)
            counts = need not in ("identity", "admin")
            standing = await self._access.count(principal) if counts else None
        except KlinecastError as error:
            await _refuse(error, scope, receive, send)
            return
        scope[PRINCIPAL] = principal

        async def check() -> None:
            _check_scope(await self._access.gate.identify(credential), need)

        every_s = max(self._access.cache_s, _SHORTEST_CHECK_S)
        live = LiveAnswer(scope, receive, send, check, every_s)
        if scope["type"] == "websocket":
            live.watch()
        try:
            await self._app(scope, live.receive, _sending(live, standing))
        finally:
            live.end()

    async def _identify(
        self, scope: Scope, headers: Headers, need: Need
    ) -> tuple[Credential, Principal]:
        path, is_socket = scope["path"], scope["type"] == "websocket"
        credential = credentials.read_credential(
            headers, is_binances=is_binances(path), is_secure=scope["scheme"] in ("https", "wss")
        )
        if credential is None:
            raise Unauthorized(
                "this needs a token", hint="Send it as `Authorization: Bearer TOKEN`."
            )
        principal = await self._access.gate.identify(credential)
        _check_scope(principal, need)
        credentials.check_same_site(
            scope.get("method", "GET"), headers, credential, is_socket=is_socket
        )
        return credential, principal

    def _flushing(self, receive: Receive) -> Receive:
        async def receive_and_flush() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":  # before the app closes the store
                await self._access.meter.close()
            return message

        return receive_and_flush


def _check_scope(principal: Principal, need: Need) -> None:
    if need not in ("identity", "free") and need not in principal.scopes:
        raise Forbidden(
            f"this needs the scope {need!r}, which {principal.name} does not have",
            hint="Ask an administrator for a token of that scope.",
        )


async def _refuse(error: KlinecastError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get(
        "extensions", {}
    ):
        await send({"type": "websocket.close", "code": 1008, "reason": error.detail})
        return
    await build_refusal(error, scope["path"])(scope, receive, send)


def _sending(live: LiveAnswer, standing: Standing | None) -> Send:
    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            _keep_private(headers)
            if standing is not None:
                headers.update(standing.headers())
            if headers.get("Content-Type", "").startswith("text/event-stream"):
                live.watch()
        await live.send(message)

    return send


def _keep_private(headers: MutableHeaders) -> None:
    # `public` would allow a shared cache to give to everybody what one was let in for.
    control = headers.get("Cache-Control")
    if control is not None and "public" in control:
        headers["Cache-Control"] = control.replace("public", "private")
    headers.add_vary_header("Authorization, X-API-Key, Cookie")
