"""The public archive over HTTP: `/data/…` and the listing at `/`."""

from __future__ import annotations

import secrets
import time
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
from binance_simulator.delivery import deliver
from binance_simulator.exchange import Exchange
from binance_simulator.faults.answers import Status
from binance_simulator.faults.files import BadChecksum, CorruptZip, Damage, TruncatedZip
from binance_simulator.faults.when import Asked
from market.errors import DataError
from market.log import get_logger

log = get_logger()

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
    key = path.removeprefix("/")
    request_id = secrets.token_hex(8).upper()
    headers = {"x-amz-request-id": request_id, "Server": "AmazonS3"}
    exchange.traffic.count("archive_requests", time.time())
    asked = exchange.bucket.asked(key)
    fault = exchange.faults.strike(Status, asked)
    if fault is not None:
        return Response(status_code=fault.status, headers=headers)
    try:
        stored = exchange.bucket.read(key, exchange.clock.now_ms())
    except DataError as error:
        log.error("file_damaged", detail=error.detail)
        return Response(status_code=500, headers=headers)
    if stored is None:
        return Response(no_such_key(key, request_id), 404, headers, media_type=_XML)
    headers |= {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": formatdate(stored.published_ms // 1000, usegmt=True),
        "Accept-Ranges": "bytes",
    }
    if _is_unchanged(request, stored):
        return Response(status_code=304, headers=headers)
    return _send_object(exchange, request, stored, asked, headers)


def _send_object(
    exchange: Exchange,
    request: Request,
    stored: StoredObject,
    asked: Asked,
    headers: dict[str, str],
) -> Response:
    is_zip = asked.path.endswith(".zip")
    kind = "application/zip" if is_zip else "binary/octet-stream"
    if request.method == "HEAD":
        sized = headers | {"Content-Length": str(stored.size)}
        return Response(status_code=200, headers=sized, media_type=kind)
    content = stored.read()
    damaging: tuple[type[Damage], ...] = (CorruptZip, TruncatedZip) if is_zip else (BadChecksum,)
    for kind_of_damage in damaging:
        damage = exchange.faults.strike(kind_of_damage, asked)
        if damage is not None:
            content = damage.damage(content)
    asked_range = request.headers.get("range", "")
    try:
        part = parse_range(asked_range, len(content))
    except ValueError:
        body = invalid_range(asked_range, len(content), headers["x-amz-request-id"])
        return Response(body, 416, headers, media_type=_XML)
    status = 200
    if part is not None:
        start, stop = part
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        content, status = content[start:stop], 206
    exchange.traffic.count("archive_bytes", time.time(), len(content))
    return deliver(exchange.faults, asked, content, status, headers, kind)


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
    exchange.traffic.count("archive_requests", time.time())
    fault = exchange.faults.strike(Status, Asked(f"/?prefix={asked.get('prefix', '')}"))
    if fault is not None:
        return Response(status_code=fault.status)
    listing = exchange.bucket.list(
        exchange.clock.now_ms(),
        asked.get("prefix", ""),
        asked.get("delimiter", ""),
        asked.get("marker", ""),
        max_keys,
    )
    return Response(render_listing(listing, asked, max_keys), media_type=_XML)
