"""What `/openapi.json` says of access: the ways to show a token, and which operation needs what."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from market.access.credentials import COOKIE, CSRF_HEADER
from market.access.scopes import is_always_guarded, is_binances, need_of

_SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "klc_ID_SECRET",
        "description": "A token, as `klinecast-history tokens create` shows it once.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same token, for clients that can't send Authorization.",
    },
    "binanceKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-MBX-APIKEY",
        "description": "The same token, where Binance's clients send their API key.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": f"What signing in sets; unsafe methods also need {CSRF_HEADER}.",
    },
}
_METHODS = ("get", "post", "put", "patch", "delete")
_REFUSALS = {
    "401": "Nobody is named, or it is not proved who it is.",
    "403": "Who asks may not do this.",
    "429": "A quota or a rate is used up; Retry-After tells for how long.",
}


def describe_access(app: FastAPI, *, required: bool) -> None:
    """Make an app's OpenAPI document tell of access."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        if "bearer" not in schemes:
            schemes.update(_SCHEMES)
            for path, operations in document.get("paths", {}).items():
                _describe_path(path, operations, required=required)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _describe_path(path: str, operations: dict[str, Any], *, required: bool) -> None:
    for method in _METHODS:
        if method not in operations:
            continue
        need = need_of(method.upper(), path)
        if need == "free":
            continue
        operation = operations[method]
        ways = ["bearer", "apiKey", "session"] + (["binanceKey"] if is_binances(path) else [])
        scopes = [] if need == "identity" else [need]
        security: list[dict[str, list[str]]] = [{way: list(scopes)} for way in ways]
        if not required and not is_always_guarded(path):
            security.insert(0, {})  # nothing at all will do
        operation["security"] = security
        for status, meaning in _REFUSALS.items():
            operation["responses"].setdefault(status, _refusal(path, meaning))


def _refusal(path: str, meaning: str) -> dict[str, Any]:
    properties: dict[str, Any] = (
        {"code": {"type": "integer"}, "msg": {"type": "string"}}
        if is_binances(path)
        else {name: {"type": "string"} for name in ("error", "detail", "hint")}
    )
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"description": meaning, "content": {"application/json": {"schema": schema}}}
