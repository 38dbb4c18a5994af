"""The public archive over HTTP: `/data/…` and the listing at `/`."""

from __future__ import annotations

import secrets
from email.utils import formatdate, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from binance_simulator.bucket import (
    MAX_KEYS,
    StoredObject,
    invalid_argument,
    invalid_range,
    no_such_key,
    parse_range,
    render_listing,
)
from binance_simulator.exchange import Exchange
from binance_simulator.faults import corrupt

_XML = "application/xml"


def build_archive_routes(exchange: Exchange) -> list[Route]:
    """Return the routes of the archive."""

    async def read_object(request: Request) -> Response:
        return _read_object(exchange, request)

    async def list_objects(request: Request) -> Response:
        return _list_objects(exchange, request)

    return [
        Route("/", list_objects),
        Route("/data/{rest:path}", read_object),
    ]


def _read_object(exchange: Exchange, request: Request) -> Response:
    path = request.url.path
    request_id = secrets.token_hex(8).upper()
    headers = {"x-amz-request-id": request_id, "Server": "AmazonS3"}
    fault = exchange.faults.take("status", path)
    if fault is not None:
        return Response(status_code=fault.status, headers=headers)
    stored = exchange.bucket.read(path.removeprefix("/"), exchange.clock.now_ms())
    if stored is None:
        body = no_such_key(path.removeprefix("/"), request_id)
        return Response(body, 404, headers, media_type=_XML)
    headers |= {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": formatdate(stored.published_ms // 1000, usegmt=True),
        "Accept-Ranges": "bytes",
    }
    if _is_unchanged(request, stored):
        return Response(status_code=304, headers=headers)
    content = stored.content
    if path.endswith(".zip") and exchange.faults.take("corrupt_zip", path):
        content = corrupt(content)
    kind = "application/zip" if path.endswith(".zip") else "binary/octet-stream"
    asked = request.headers.get("range", "")
    try:
        part = parse_range(asked, len(content))
    except ValueError:
        body = invalid_range(asked, len(content), request_id)
        return Response(body, 416, headers, media_type=_XML)
    if part is None:
        return Response(content, 200, headers, media_type=kind)
    start, stop = part
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return Response(content[start:stop], 206, headers, media_type=kind)


def _is_unchanged(request: Request, stored: StoredObject) -> bool:
    known = request.headers.get("if-none-match")
    if known is not None:
        return known.strip('"') == stored.etag or known == "*"
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    try:
        return stored.published_ms // 1000 <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False


def _list_objects(exchange: Exchange, request: Request) -> Response:
    asked = dict(request.query_params)
    text = asked.get("max-keys", str(MAX_KEYS))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        body = invalid_argument("max-keys", text, secrets.token_hex(8).upper())
        return Response(body, 400, media_type=_XML)
    max_keys = min(int(text), MAX_KEYS)
    listing = exchange.bucket.list(
        exchange.clock.now_ms(),
        asked.get("prefix", ""),
        asked.get("delimiter", ""),
        asked.get("marker", ""),
        max_keys,
    )
    return Response(render_listing(listing, asked, max_keys, exchange.bucket), media_type=_XML)
