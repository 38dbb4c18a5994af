"""Answers that go on for long: who receives one is checked again, and cut off when refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Scope, Send

from market.errors import FatalError, RetryableError

_POLICY_VIOLATION = 1008


class LiveAnswer:
    """A WebSocket or event stream that lasts only while its receiver may have it.

    To the application being cut off looks like a client that went away.

    Args:
        check: raises where the receiver may not go on.
        every_s: seconds between two checks.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        check: Callable[[], Awaitable[object]],
        every_s: float,
    ) -> None:
        self._is_socket = scope["type"] == "websocket"
        self._receive = receive
        self._send = send
        self._check = check
        self._every_s = every_s
        self._cut = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Begin to check, from now on."""
        if self._watcher is None:
            self._watcher = asyncio.get_running_loop().create_task(self._watch())

    def end(self) -> None:
        """Stop checking."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def receive(self) -> Message:
        """Return the next message of the client, or that it has gone."""
        message = asyncio.ensure_future(self._receive())
        cut = asyncio.ensure_future(self._cut.wait())
        try:
            await asyncio.wait({message, cut}, return_when=asyncio.FIRST_COMPLETED)
            return message.result() if message.done() else self._gone()
        finally:
            message.cancel()
            cut.cancel()

    async def send(self, message: Message) -> None:
        """Pass a message on to the client, unless it was cut off."""
        if not self._cut.is_set():
            await self._send(message)

    def _gone(self) -> Message:
        if self._is_socket:
            return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION}
        return {"type": "http.disconnect"}

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self._check()
            except RetryableError:
                continue  # a store that is away takes nobody's rights
            except FatalError as error:
                self._cut.set()
                await self._send(self._farewell(error.detail))
                return

    def _farewell(self, reason: str) -> Message:
        if self._is_socket:
            return {"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason}
        return {"type": "http.response.body", "body": b"", "more_body": False}
