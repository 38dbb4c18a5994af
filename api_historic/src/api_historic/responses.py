"""Bodies that exist as bytes already."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request, Response


def bytes_response(
    _request: Request,
    body: bytes,
    *,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a body as it is; `compression` sees to what the client accepts."""
    return Response(body, headers=dict(headers or {}), media_type=media_type)
