"""Serving: the socket, the line that says ready, the clock's state, and a quick end."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from binance_simulator.clock import SimulatedClock
from binance_simulator.state import write_state
from market.errors import Conflict, InvalidParameter
from market.log import get_logger

log = get_logger()

#: Seconds between two writes of the clock's state.
STATE_EVERY_S = 1.0
#: Binance pings a stream that often and drops one that does not answer for a minute.
PING_EVERY_S = 20
PONG_WITHIN_S = 60
#: Bytes of the first line of a request; more streams than fit are subscribed to afterwards.
MAX_REQUEST_LINE = 8192
_URI_TOO_LONG = b"HTTP/1.1 414 URI Too Long\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        Conflict: the port is taken.
        InvalidParameter: this machine has no such address.
    """
    try:
        return socket.create_server((host, port), backlog=512)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"port {port} of {host} is taken", hint="Choose another one with --port."
            ) from None
        raise InvalidParameter("--host", host, f"an address of this machine ({error})") from None


def serve(
    app: Starlette, listening: socket.socket, clock: SimulatedClock, state: Path | None
) -> None:
    """Serve until SIGTERM or SIGINT; keeps the clock in `state` where one is given."""
    host, port = listening.getsockname()[:2]
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws=_StreamProtocol,
            # Binance's streams come uncompressed.
            ws_per_message_deflate=False,
            ws_ping_interval=PING_EVERY_S,
            ws_ping_timeout=PONG_WITHIN_S,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
    )
    # uvicorn raises the signal again once all is closed: by then there is nothing left to do.
    signal.signal(signal.SIGTERM, _ignore)
    server.ready_line = f"ready http://{host}:{port}"
    try:
        with _runner() as runner:
            runner.run(_serve(server, listening, clock, state))
    finally:
        if state is not None:
            _keep(clock, state)


def _runner() -> asyncio.Runner:
    """Return a runner on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def _serve(
    server: _Server, listening: socket.socket, clock: SimulatedClock, state: Path | None
) -> None:
    keeper = asyncio.create_task(_keep_state(clock, state)) if state is not None else None
    await server.serve(sockets=[listening])
    if keeper is not None:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper


async def _keep_state(clock: SimulatedClock, state: Path) -> None:
    while True:
        _keep(clock, state)
        await asyncio.sleep(STATE_EVERY_S)


def _keep(clock: SimulatedClock, state: Path) -> None:
    # A full disk costs the clock's place, not the exchange.
    try:
        write_state(state, clock.now_ms())
    except OSError as error:
        log.error("state_not_written", path=str(state), reason=str(error))


class _StreamProtocol(WebSocketsSansIOProtocol):
    """Refuses an address that is too long, where the library would let the client wait."""

    def data_received(self, data: bytes) -> None:
        if not self.handshake_initiated and len(data.partition(b"\r\n")[0]) > MAX_REQUEST_LINE:
            self.transport.write(_URI_TOO_LONG)
            self.transport.close()
            return
        super().data_received(data)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The server has already ended in order."""


class _Server(uvicorn.Server):
    """Says that it is ready once it listens."""

    ready_line = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        sys.stdout.write(self.ready_line + "\n")
        sys.stdout.flush()
