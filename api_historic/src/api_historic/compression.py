"""Answers compressed as the client accepts: by zstd or gzip, streams part by part."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import zstandard
from anyio.to_thread import run_sync
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Smaller bodies gain nothing.
_MINIMUM = 1_000
#: Larger ones are compressed in a thread: the event loop has other clients.
_LARGE = 32 * 1024
#: The fastest of gzip: these bodies shrink to a fifth by it, and to a sixth by the slowest.
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 3
#: Compressed in themselves, or sent piece by piece as things happen.
_AS_THEY_ARE = ("image/", "font/", "application/vnd.apache.parquet", "text/event-stream")
#: gzip makes less of binary columns than it takes.
_NOT_BY_GZIP = ("application/vnd.apache.arrow.stream", "application/wasm")


class Compressor(Protocol):
    """Compresses what it is given, piece by piece."""

    def compress(self, data: Any, /) -> bytes:
        """Return what of the compressed stream is ready."""

    def flush(self) -> bytes:
        """Return the rest."""


_COMPRESSORS: dict[str, Callable[[], Compressor]] = {
    "zstd": lambda: zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj(),
    "gzip": partial(zlib.compressobj, _GZIP_LEVEL, zlib.DEFLATED, 31),
}


class Compression:
    """Compresses every answer that gains by it, in the coding its client likes best."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; compress its answer."""
        if scope["type"] != "http" or scope["method"] == "HEAD":
            await self._app(scope, receive, send)
            return
        coding = choose_coding(Headers(scope=scope).get("Accept-Encoding"))
        await self._app(scope, receive, _Sending(send, coding).send)


def choose_coding(accept_encoding: str | None) -> str | None:
    """Return the coding a client likes best, zstd of equal ones; `None` for none of ours."""
    if not accept_encoding:
        return None
    weights: dict[str, float] = {}
    for part in accept_encoding.split(","):
        name, _, weight = part.partition(";")
        try:
            weights[name.strip().lower()] = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
    others = weights.get("*", 0.0)
    wanted = {coding: weights.get(coding, others) for coding in _COMPRESSORS}
    best = max(wanted, key=lambda coding: wanted[coding])
    return best if wanted[best] > 0 else None


class _Sending:
    """One answer on its way out."""

    def __init__(self, send: Send, coding: str | None) -> None:
        self._send = send
        self._coding = coding
        self._start: Message | None = None
        self._compressor: Compressor | None = None

    async def send(self, message: Message) -> None:
        """Send a message of the app, its body compressed."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        if self._start is not None:
            await self._begin(self._start, message)
        if self._compressor is not None:
            message = await self._compressed(message, self._compressor)
            if not message["body"] and message["more_body"]:
                return
        await self._send(message)

    async def _begin(self, start: Message, message: Message) -> None:
        """Decide by the head and the first part; send the head."""
        self._start = None
        headers = MutableHeaders(raw=start["headers"])
        start["headers"] = headers.raw
        body, more = message.get("body", b""), message.get("more_body", False)
        if _gains(start["status"], headers, len(body), more=more):
            headers.add_vary_header("Accept-Encoding")
            if self._coding is not None and _suits(self._coding, headers):
                headers["Content-Encoding"] = self._coding
                self._compressor = _COMPRESSORS[self._coding]()
                if not more:
                    message["body"] = await _in_thread(_whole, self._compressor, body)
                    headers["Content-Length"] = str(len(message["body"]))
                    self._compressor = None
                else:
                    del headers["Content-Length"]
        await self._send(start)

    async def _compressed(self, message: Message, compressor: Compressor) -> Message:
        more = message.get("more_body", False)
        part = message.get("body", b"")
        compress = _piece if more else _whole
        body = await _in_thread(compress, compressor, part)
        return {"type": "http.response.body", "body": body, "more_body": more}


def _gains(status: int, headers: Headers, length: int, *, more: bool) -> bool:
    if status in (204, 206, 304) or "Content-Encoding" in headers:
        return False
    if headers.get("Content-Type", "").startswith(_AS_THEY_ARE):
        return False
    return more or length >= _MINIMUM


def _suits(coding: str, headers: Headers) -> bool:
    return coding != "gzip" or not headers.get("Content-Type", "").startswith(_NOT_BY_GZIP)


def _whole(compressor: Compressor, data: Any) -> bytes:
    return compressor.compress(data) + compressor.flush()


def _piece(compressor: Compressor, data: Any) -> bytes:
    return compressor.compress(data)


async def _in_thread(
    work: Callable[[Compressor, Any], bytes], compressor: Compressor, data: Any
) -> bytes:
    if len(data) < _LARGE:
        return work(compressor, data)
    return await run_sync(work, compressor, data)
