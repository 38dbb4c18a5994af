"""`/ws/…` and `/stream?streams=…`: the connections that carry kline streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from binance_simulator.exchange import Exchange
from binance_simulator.streams import Stream, Subscriptions, build_event
from market.errors import DataError
from market.log import get_logger

log = get_logger()

#: Seconds of the machine between two messages of a kline that is open.
UPDATE_EVERY_S = 2.0
#: Seconds of the machine between two looks at the clock; a close is told that late at most.
LOOK_EVERY_S = 0.05


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
    """Serve one connection until it ends, or until a fault drops all connections."""
    if exchange.faults.take("status", socket.url.path):
        # Closed before it was accepted: the client sees a 403.
        await socket.close()
        return
    subscriptions = Subscriptions(
        names, combined=combined, microseconds=_wants_microseconds(socket)
    )
    await socket.accept()
    dropped = exchange.faults.drop_streams
    tasks = [
        asyncio.create_task(_obey_commands(socket, subscriptions)),
        asyncio.create_task(_tell_klines(exchange, subscriptions, socket.send_text)),
        asyncio.create_task(dropped.wait()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if tasks[2] in done:
        # The client may have left at the same moment.
        with suppress(RuntimeError, WebSocketDisconnect):
            await socket.close(code=1001)
    for task in done:
        task.result()


async def _obey_commands(socket: WebSocket, subscriptions: Subscriptions) -> None:
    try:
        while (message := await socket.receive())["type"] == "websocket.receive":
            text = message.get("text") or message.get("bytes") or ""
            await socket.send_text(subscriptions.obey(text))
    except WebSocketDisconnect:
        return


async def _tell_klines(
    exchange: Exchange, subscriptions: Subscriptions, send: Callable[[str], Awaitable[None]]
) -> None:
    """Send each kline as it closes, and the open one every two seconds."""
    told: dict[Stream, _Told] = {}
    try:
        while True:
            now_ms = exchange.clock.now_ms()
            streams = [stream for stream in subscriptions.names.values() if stream is not None]
            told = {stream: told.get(stream) or _Told(now_ms) for stream in streams}
            for stream, state in told.items():
                for event in _build_events(exchange, stream, state, now_ms, subscriptions):
                    await send(subscriptions.render(stream, event))
            await asyncio.sleep(LOOK_EVERY_S)
    except WebSocketDisconnect:
        return
    except DataError as error:
        log.error("file_damaged", detail=error.detail)


class _Told:
    """How far a stream was told: closes up to `until_ms`, the open kline at `update_s`."""

    def __init__(self, now_ms: int) -> None:
        self.until_ms = now_ms
        self.look_ms = 0
        self.update_s = 0.0


def _build_events(
    exchange: Exchange, stream: Stream, told: _Told, now_ms: int, subscriptions: Subscriptions
) -> list[dict[str, object]]:
    history, wants_us = exchange.history, subscriptions.microseconds
    if now_ms < told.until_ms:
        # The clock was set back: tell from there on.
        told.until_ms, told.look_ms = now_ms, 0
    is_due = time.monotonic() - told.update_s >= UPDATE_EVERY_S
    if now_ms < told.look_ms and not is_due:
        return []
    told.update_s = time.monotonic()
    closed = history.closed_between(stream.symbol, stream.grid, told.until_ms, now_ms)
    events = [
        build_event(stream, kline, now_ms, closed=True, microseconds=wants_us) for kline in closed
    ]
    told.until_ms = now_ms
    unfinished = history.unfinished(stream.symbol, stream.grid, now_ms)
    if unfinished is None:
        told.look_ms = stream.grid.next(stream.grid.floor(now_ms))
    else:
        told.look_ms = unfinished.close_time_ms + 1
        events.append(build_event(stream, unfinished, now_ms, closed=False, microseconds=wants_us))
    return events


def _wants_microseconds(connection: HTTPConnection) -> bool:
    return connection.query_params.get("timeUnit", "").upper() == "MICROSECOND"
