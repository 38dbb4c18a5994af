"""`/v1/stream`: server-sent events and WebSocket, with the same parameters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response, WebSocket
from pydantic import Field, ValidationError
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect, WebSocketState

from api_historic.native.listing import find_numbers, names
from api_historic.native.parameters import Query as Parameters
from api_historic.native.parameters import only
from api_historic.push.events import KINDS, Event
from api_historic.push.feed import Wanted
from api_historic.push.hub import Hub
from api_historic.push.position import LONGEST_ID, Position, parse_position
from api_historic.push.session import iter_events
from api_historic.push.subscriber import Subscriber
from api_historic.service import Service
from market.api import error_response, status_of
from market.errors import InvalidParameter, KlinecastError
from market.interval import Interval
from market.store.symbols import read_symbols

#: A listener who takes nothing for so long is gone.
STALLED_S = 30.0
#: WebSocket: the end of a connection that is to be made again.
_TRY_AGAIN = 1013
_GOING_AWAY = 1001
MOST_SYMBOLS = 1_024
_INTERVAL = f"({'|'.join(interval.value for interval in Interval)})"


def _kind(text: str) -> str:
    if text not in KINDS:
        raise InvalidParameter("kinds", text, "klines, forecasts, or both")
    return text


class StreamQuery(Parameters):
    """The parameters of `/v1/stream`."""

    symbol: Annotated[tuple[str, ...] | None, names("symbol", most=MOST_SYMBOLS)] = Field(
        None, description="Only these, separated by commas. Default: every symbol."
    )
    interval: Annotated[
        tuple[Interval, ...] | None,
        names("interval", upper=False, convert=Interval.parse, most=len(Interval), part=_INTERVAL),
    ] = Field(None, description="Only these, separated by commas. Default: every interval.")
    kinds: Annotated[
        tuple[str, ...],
        names("kinds", upper=False, convert=_kind, most=len(KINDS), part=f"({'|'.join(KINDS)})"),
    ] = Field(",".join(KINDS), validate_default=True, description="`klines`, `forecasts`, or both.")
    after: str | None = Field(
        None,
        max_length=LONGEST_ID,
        json_schema_extra={"example": "4711.88"},
        description="The id of the last event received: what came behind it is told first."
        " Server-sent events' `Last-Event-ID` header does the same, and goes before.",
    )


class EventStream(Response):
    """A response of server-sent events, until the listener leaves or is let go."""

    media_type = "text/event-stream"

    def __init__(
        self, hub: Hub, subscriber: Subscriber, events: AsyncIterator[list[Event]]
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._hub = hub
        self._subscriber = subscriber
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write events as they come; stop with the listener."""
        writing = asyncio.create_task(self._write(send))
        leaving = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait((writing, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(self._subscriber)
            for task in (writing, leaving):
                task.cancel()
                with suppress(asyncio.CancelledError, OSError, TimeoutError):
                    await task

    async def _write(self, send: Send) -> None:
        headers = [one for one in self.raw_headers if one[0] != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for events in self._events:
            body = b"".join([event.frame for event in events])
            async with asyncio.timeout(STALLED_S):
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def build_stream_router(service: Service, hub: Hub) -> APIRouter:
    """Return the route of push, for both transports."""
    router = APIRouter(tags=["push"])

    @router.get(
        "/v1/stream",
        dependencies=[Depends(only(StreamQuery))],
        status_code=200,
        response_class=EventStream,
        responses={200: {"content": {"text/event-stream": {"example": _EXAMPLE}}}},
    )
    async def stream(
        query: Annotated[StreamQuery, Query()],
        last_event_id: Annotated[str | None, Header(max_length=LONGEST_ID)] = None,
    ) -> Response:
        """Tell closed klines and new forecasts as they are stored, as server-sent events.

        `klines`: klines of one series that were stored together, Binance's first eleven fields
        each; one that was told before was restated. `history`: older klines than the newest
        thousand came or changed, as when a gap is healed: read that range again. `forecast`:
        a forecast as the ledger has it. `heartbeat` each 15 s without another event, `store`
        when it goes away and comes back, `reset` where what was missed can't be told again,
        `cut` for who is too slow and `end` when the API ends: connect again with the last id.
        Each series' events come in the order in which it was stored, none twice. The same
        address is a WebSocket, one JSON object `{"event","id","data"}` a message.
        """
        after = _after(last_event_id or query.after)
        wanted = await to_thread.run_sync(_find_wanted, service, query)
        subscriber = await hub.join(wanted)
        events = iter_events(hub, subscriber, after, service.now_ms)
        return EventStream(hub, subscriber, events)

    @router.websocket("/v1/stream")
    async def socket(websocket: WebSocket) -> None:
        """Tell the same over a WebSocket."""
        try:
            query = await _read_socket_query(websocket)
            after = _after(query.after)
            wanted = await to_thread.run_sync(_find_wanted, service, query)
            subscriber = await hub.join(wanted)
        except KlinecastError as error:
            refusal = error_response(
                status_of(error), type(error).__name__, error.detail, error.hint
            )
            await websocket.send_denial_response(refusal)
            return
        try:
            await websocket.accept()
            await _talk(websocket, iter_events(hub, subscriber, after, service.now_ms))
        finally:
            hub.leave(subscriber)

    return router


def _after(text: str | None) -> Position | None:
    return None if not text else parse_position(text)


def _find_wanted(service: Service, query: StreamQuery) -> Wanted:
    """Return what a query wants, in the store's numbers.

    Raises:
        NotFound: a symbol is not known here.
        ExchangeUnavailable: the demo's clock was not read yet.
    """
    service.now_ms()  # in the demo there may be no time yet
    symbols = None
    if query.symbol is not None:
        with service.store.read() as connection:
            known = {symbol.symbol: number for number, symbol in read_symbols(connection)}
        symbols = frozenset(find_numbers(query.symbol, known))
    intervals = None
    if query.interval is not None:
        intervals = frozenset(interval.number for interval in query.interval)
    return Wanted(symbols, intervals, frozenset(kind for kind in KINDS if kind in query.kinds))


async def _read_socket_query(websocket: WebSocket) -> StreamQuery:
    await only(StreamQuery)(Request({**websocket.scope, "type": "http", "method": "GET"}))
    try:
        return StreamQuery.model_validate(dict(websocket.query_params))
    except ValidationError as error:
        problem: Any = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise InvalidParameter(name, str(problem.get("input"))[:60], problem["msg"]) from None


async def _talk(websocket: WebSocket, events: AsyncIterator[list[Event]]) -> None:
    writing = asyncio.create_task(_write_socket(websocket, events))
    leaving = asyncio.create_task(_read_socket(websocket))
    try:
        await asyncio.wait((writing, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (writing, leaving):
            task.cancel()
            with suppress(asyncio.CancelledError, WebSocketDisconnect, OSError, TimeoutError):
                await task


async def _write_socket(websocket: WebSocket, events: AsyncIterator[list[Event]]) -> None:
    last = ""
    async for some in events:
        for event in some:
            last = event.name
            async with asyncio.timeout(STALLED_S):
                await websocket.send_text(event.text)
    if websocket.application_state is WebSocketState.CONNECTED:
        code = _GOING_AWAY if last == "end" else _TRY_AGAIN
        await websocket.close(code, "connect again and resume")


async def _read_socket(websocket: WebSocket) -> None:
    """Read until the listener is gone; what it says means nothing."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


_EXAMPLE = (
    "event: klines\nid: 4711.88\n"
    'data: {"symbol":"BTCUSDT","interval":"1m","klines":[[1718668800000,"66490.00000000",'
    '"66500.00000000","66480.01000000","66499.99000000","12.34500000",1718668859999,'
    '"820870.12000000",1234,"6.10000000","405600.00000000"]]}\n\n'
)
