"""`/ws/…` and `/stream?streams=…`: the connections that carry kline streams."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import NamedTuple

import orjson
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from binance_simulator.exchange import Exchange
from binance_simulator.faults.answers import Status
from binance_simulator.faults.streams import ConnectionLife, DropStreams
from binance_simulator.faults.when import Asked
from binance_simulator.streams import MAX_STREAMS, Subscriptions
from binance_simulator.teller import Teller
from market.errors import DataError
from market.log import get_logger

log = get_logger()

#: Seconds of the machine between two looks at the clock; a close is told that late at most.
LOOK_EVERY_S = 0.05
#: Messages sent in one go before other connections get their turn.
_BATCH = 100


class _End(NamedTuple):
    """Why the server ends a connection."""

    code: int
    reason: str = ""


_LIVED_ON = _End(1001)
_TOO_MANY_REQUESTS = _End(1008, "Too many requests")


def build_stream_routes(exchange: Exchange) -> list[WebSocketRoute]:
    """Return the routes of the streams."""

    async def raw(socket: WebSocket) -> None:
        names = socket.path_params.get("names", "").split("/")
        await _carry(exchange, socket, names, combined=False)

    async def combined(socket: WebSocket) -> None:
        names = socket.query_params.get("streams", "").split("/")
        await _carry(exchange, socket, names, combined=True)

    return [
        WebSocketRoute("/ws", raw),
        WebSocketRoute("/ws/{names:path}", raw),
        WebSocketRoute("/stream", combined),
    ]


async def _carry(
    exchange: Exchange, socket: WebSocket, names: list[str], *, combined: bool
) -> None:
    """Serve one connection until it ends: by the client, by a limit, or by a fault."""
    if not _admit(exchange, socket, names):
        # Closed before it was accepted: the client sees a 403.
        await socket.close()
        return
    subscriptions = Subscriptions(
        names, combined=combined, microseconds=_wants_microseconds(socket)
    )
    await socket.accept()
    tasks = [
        asyncio.create_task(_obey_commands(exchange, socket, subscriptions)),
        asyncio.create_task(_tell_klines(exchange, subscriptions, socket)),
        asyncio.create_task(_await_end(exchange, socket, combined=combined)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for end in [task.result() for task in done]:
        if end is not None:
            # The client may have left at the same moment.
            with suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(end.code, end.reason)


def _admit(exchange: Exchange, socket: WebSocket, names: list[str]) -> bool:
    address = socket.client.host if socket.client else ""
    exchange.traffic.count("stream_connections", time.time())
    admitted = (
        exchange.connections.admit(address)
        and len(set(names)) <= MAX_STREAMS
        and exchange.faults.strike(Status, Asked(socket.url.path, source="ws")) is None
    )
    if not admitted:
        exchange.traffic.count("stream_connections_refused", time.time())
    return admitted


async def _obey_commands(
    exchange: Exchange, socket: WebSocket, subscriptions: Subscriptions
) -> _End | None:
    """Answer commands until the client leaves, or sends more of them than it may."""
    arrived: deque[float] = deque(maxlen=exchange.limits.inbound_per_s)
    try:
        while (message := await socket.receive())["type"] == "websocket.receive":
            exchange.traffic.count("stream_messages_received", time.time())
            now_s = time.monotonic()
            if len(arrived) == arrived.maxlen and now_s - arrived[0] < 1:
                return _TOO_MANY_REQUESTS
            arrived.append(now_s)
            text = message.get("text") or message.get("bytes") or ""
            await socket.send_text(subscriptions.obey(text))
    except WebSocketDisconnect:
        pass
    return None


async def _tell_klines(exchange: Exchange, subscriptions: Subscriptions, socket: WebSocket) -> None:
    """Send each kline as it closes, and the open one every two seconds."""
    teller = Teller(exchange, subscriptions)
    try:
        while True:
            for number, message in enumerate(teller.iter_due(time.monotonic())):
                await socket.send_text(message)
                if number % _BATCH == _BATCH - 1:
                    await asyncio.sleep(0)
            await asyncio.sleep(LOOK_EVERY_S)
    except WebSocketDisconnect:
        return
    except DataError as error:
        log.error("file_damaged", detail=error.detail)


async def _await_end(exchange: Exchange, socket: WebSocket, *, combined: bool) -> _End:
    """Wait for what ends the connection from this side."""
    seen = exchange.faults.happened
    lives = [fault.life_s for fault in exchange.faults.holding(ConnectionLife)]
    end_s = time.monotonic() + min([exchange.limits.connection_life_s, *lives])
    while time.monotonic() < end_s:
        await asyncio.sleep(LOOK_EVERY_S)
        for happening in exchange.faults.happenings(seen):
            seen = happening.number
            if isinstance(happening.effect, DropStreams):
                return _End(happening.effect.code)
            with suppress(WebSocketDisconnect):
                await socket.send_text(_render_shutdown(exchange.told_ms(), combined=combined))
            end_s = min(end_s, time.monotonic() + happening.effect.after_s)
    return _LIVED_ON


def _render_shutdown(event_ms: int, *, combined: bool) -> str:
    event: dict[str, object] = {"e": "serverShutdown", "E": event_ms}
    if combined:
        event = {"stream": "!serverShutdown", "data": event}
    return orjson.dumps(event).decode()


def _wants_microseconds(connection: HTTPConnection) -> bool:
    return connection.query_params.get("timeUnit", "").upper() == "MICROSECOND"
