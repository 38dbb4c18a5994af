"""Sending an answer part by part: as fast as it is taken, and no faster.

One part is made while the one before it is sent, in a thread; never more are held. A client
that leaves, or takes nothing for a while, ends the making at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from anyio import CancelScope
from anyio.to_thread import run_sync
from fastapi import Response
from starlette.types import Receive, Scope, Send

from api_historic.klines.answer import Head

#: How long a client may take for one part.
STALLED_S = 60.0
_END = object()


class ClientStalled(Exception):
    """A client kept its connection and took nothing."""


class StreamedAnswer(Response):
    """A response whose head and parts are made while it is sent.

    An error before the first part is answered as any other; after it the connection is cut,
    so that no client takes half an answer for a whole one.
    """

    def __init__(self, make: Callable[[], Iterator[Head | bytes | memoryview]]) -> None:
        self._make = make
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        parts = self._make()
        try:
            head = await run_sync(next, parts)
            await send(_start(head))
            left = asyncio.ensure_future(_leave(receive))
            try:
                await _send_parts(parts, send, left)
            finally:
                left.cancel()
        finally:
            # Even where this task was cancelled the connection goes back.
            with CancelScope(shield=True):
                await run_sync(_close, parts)


def _start(head: object) -> dict[str, object]:
    if not isinstance(head, Head):
        raise TypeError(f"an answer begins with its head, not with {head!r}")
    headers = {"content-type": head.media_type, **head.headers}
    raw = [(name.lower().encode("latin-1"), text.encode()) for name, text in headers.items()]
    return {"type": "http.response.start", "status": head.status, "headers": raw}


async def _send_parts(
    parts: Iterator[Head | bytes | memoryview], send: Send, left: asyncio.Future[None]
) -> None:
    making = asyncio.ensure_future(run_sync(next, parts, _END))
    try:
        while (part := await making) is not _END:
            making = asyncio.ensure_future(run_sync(next, parts, _END))
            await _in_time(send({"type": "http.response.body", "body": part, "more_body": True}))
            if left.done():
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        # The thread must be through with the generator before it can be closed.
        with CancelScope(shield=True):
            await asyncio.wait([making])
        if not making.cancelled():
            making.exception()


async def _in_time(sent: Awaitable[None]) -> None:
    try:
        await asyncio.wait_for(sent, STALLED_S)
    except TimeoutError:
        raise ClientStalled(f"a client took nothing for {STALLED_S:g} s") from None


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _close(parts: Iterator[object]) -> None:
    close = getattr(parts, "close", None)
    if close is not None:
        close()
