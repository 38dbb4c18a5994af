"""The threads in which access asks the store: few, and none of those that answer requests.

Were they the same, a token could not be checked while long downloads hold them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

_Result = TypeVar("_Result")


class InThread(Protocol):
    """Runs what blocks without holding up the event loop."""

    async def __call__(self, work: Callable[[], _Result], /) -> _Result:
        """Return what `work` returns."""


class FewThreads:
    """Runs at most `count` pieces of work at a time, others after them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._limiter: CapacityLimiter | None = None

    async def __call__(self, work: Callable[[], _Result], /) -> _Result:
        """Return what `work` returns."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._count)
        return await run_sync(work, limiter=self._limiter)
