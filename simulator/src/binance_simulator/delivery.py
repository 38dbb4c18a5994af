"""Answers that come slowly, or stop before their end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from binance_simulator.faults.answers import CutBody, SlowBody
from binance_simulator.faults.board import Faults
from binance_simulator.faults.when import Asked

#: Seconds between two pieces of a slow body.
_PIECE_S = 0.05


def deliver(
    faults: Faults,
    asked: Asked,
    content: bytes,
    status: int,
    headers: Mapping[str, str],
    media_type: str | None = None,
) -> Response:
    """Return an answer as the faults let it through."""
    slow, cut = faults.strike(SlowBody, asked), faults.strike(CutBody, asked)
    if slow is None and cut is None:
        return Response(content, status, headers, media_type=media_type)
    return _Hindered(content, status, headers, media_type=media_type).by(slow, cut)


class _Hindered(Response):
    """Promises its whole length and sends it slowly, or not to the end."""

    _slow: SlowBody | None = None
    _cut: CutBody | None = None

    def by(self, slow: SlowBody | None, cut: CutBody | None) -> _Hindered:
        self._slow, self._cut = slow, cut
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self.body)
        stop = len(body) if self._cut is None else int(len(body) * self._cut.keep)
        size = stop if self._slow is None else max(1, int(self._slow.bytes_per_s * _PIECE_S))
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        for start in range(0, stop, max(size, 1)):
            piece = body[start : min(start + size, stop)]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if self._slow is not None:
                await asyncio.sleep(len(piece) / self._slow.bytes_per_s)
        if stop == len(body):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        # Else the server sees an answer that never ended, and closes the connection.
