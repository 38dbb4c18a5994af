"""One listener: what waits for it, and why it was cut."""

from __future__ import annotations

import asyncio
from collections import deque

from api_historic.push.events import Event
from api_historic.push.feed import Wanted
from api_historic.push.position import Position

#: Events and bytes that wait for one listener; the bytes are shared with all others.
MOST_WAITING = 10_000
MOST_WAITING_BYTES = 4 * 1024 * 1024


class Subscriber:
    """A queue with an end: the hub puts events in, the listener's transport takes them out.

    Belongs to one event loop. `joined` is the position from which on it is told everything.
    """

    def __init__(self, wanted: Wanted, joined: Position) -> None:
        self.wanted = wanted
        self.joined = joined
        self.farewell: Event | None = None
        self._waiting: deque[Event] = deque()
        self._bytes = 0
        self._woken = asyncio.Event()

    def offer(self, event: Event) -> bool:
        """Put an event into the queue, or tell that it is full."""
        self._bytes += len(event.data)
        if len(self._waiting) >= MOST_WAITING or self._bytes > MOST_WAITING_BYTES:
            return False
        self._waiting.append(event)
        self._woken.set()
        return True

    def cut(self, farewell: Event) -> None:
        """Drop what waits; the listener is told this one event more, and is to resume."""
        self._waiting.clear()
        self.farewell = farewell
        self._woken.set()

    async def take(self, patience_s: float) -> list[Event]:
        """Return what waits, or nothing where nothing came within that time, or at the end."""
        if not self._waiting and self.farewell is None:
            self._woken.clear()
            try:
                async with asyncio.timeout(patience_s):
                    await self._woken.wait()
            except TimeoutError:
                return []
        taken = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return taken
