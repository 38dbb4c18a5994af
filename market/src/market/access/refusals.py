"""The answers to who is not let in: our own body, and Binance's on `/api/v3`."""

from __future__ import annotations

import math

import orjson
from fastapi import Response

from market.access.meter import LimitReached
from market.access.scopes import is_binances
from market.api import RETRY_AFTER_S, error_response, status_of
from market.errors import (
    InvalidParameter,
    KlinecastError,
    RetryableError,
    TooManyRequests,
    Unauthorized,
)


def build_refusal(error: KlinecastError, path: str) -> Response:
    """Return the answer to a request that was not let in."""
    response = _binances(error) if is_binances(path) else _ours(error)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Bearer realm="klinecast"'
    if isinstance(error, RetryableError):
        response.headers["Retry-After"] = str(math.ceil(_wait_s(error)))
    if isinstance(error, LimitReached) and error.standing is not None:
        response.headers.update(error.standing.headers())
    response.headers["Cache-Control"] = "no-store"
    return response


def _wait_s(error: RetryableError) -> float:
    return max(1.0, error.retry_after_s) if isinstance(error, TooManyRequests) else RETRY_AFTER_S


def _ours(error: KlinecastError) -> Response:
    name = "TooManyRequests" if isinstance(error, LimitReached) else type(error).__name__
    return error_response(status_of(error), name, error.detail, error.hint)


def _binances(error: KlinecastError) -> Response:
    # Source: binance-spot-api-docs, "Error codes". Clients tell the kinds apart by the codes.
    if isinstance(error, InvalidParameter):
        status, code, message = 400, -1100, f"Illegal characters found in the address; {error.hint}"
    elif isinstance(error, TooManyRequests):
        status, code, message = 429, -1003, f"Too many requests; {error.detail}."
    elif isinstance(error, RetryableError):
        status, code, message = 503, -1001, "Internal error; unable to process your request."
    else:
        status, code = status_of(error), -2015
        message = "Invalid API-key, IP, or permissions for action."
    body = orjson.dumps({"code": code, "msg": message})
    return Response(body, status, media_type="application/json;charset=UTF-8")
