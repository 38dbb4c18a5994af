"""The manners every HTTP API of Klinecast shares: errors, health, metrics, request ids.

Needs the extra `api` (FastAPI and uvicorn).
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from market.errors import (
    Conflict,
    Forbidden,
    InvalidParameter,
    KlinecastError,
    NotFound,
    RateLimited,
    RetryableError,
    TooManyRequests,
    Unauthorized,
    shown,
)
from market.health import Readiness, metrics_body, readiness_body
from market.log import get_logger
from market.request_metrics import RequestMetrics
from market.shapes import ErrorBody

log = get_logger()

#: Seconds a client is asked to wait when a dependency is away.
RETRY_AFTER_S = 5
_READINESS_SCHEMA = {
    "type": "object",
    "required": ["ready", "checks"],
    "properties": {
        "ready": {"type": "boolean"},
        "checks": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
#: What `/openapi.json` says of answers that are written as bytes.
_READY: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {"application/json": {"schema": _READINESS_SCHEMA}}}
    for status, words in ((200, "Everything is there."), (503, "Something is away, with reasons."))
}
_METRICS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Prometheus' text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


def install_manners(app: FastAPI, readiness: Readiness) -> None:
    """Give an app the shared errors, `/healthz`, `/readyz`, `/metrics` and request metrics."""
    app.add_middleware(RequestMetrics)
    app.add_exception_handler(KlinecastError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_unexpected)
    _add_health(app, readiness)


def _add_health(app: FastAPI, readiness: Readiness) -> None:
    # Not in a thread: a process whose threads all wait for the store is still alive.
    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, bool]:
        """Tell that the process is alive."""
        return {"alive": True}

    @app.get("/readyz", tags=["health"], response_class=Response, responses=_READY)
    def readyz() -> Response:
        """Tell whether every dependency is there, with reasons: 200 or 503."""
        status, body = readiness_body(readiness)
        return Response(body, status, media_type="application/json")

    @app.get("/metrics", tags=["health"], response_class=Response, responses=_METRICS)
    def metrics() -> Response:
        """Return Prometheus metrics."""
        body, kind = metrics_body()
        return Response(body, media_type=kind)


def error_response(
    status: int, error: str, detail: str, hint: str = "", *, retry_after_s: float = RETRY_AFTER_S
) -> Response:
    """Return the one error body of the native APIs."""
    body = ErrorBody(error=error, detail=detail, hint=hint)
    headers = {"Retry-After": str(math.ceil(retry_after_s))} if status in (429, 503) else None
    return Response(body.model_dump_json(), status, headers, media_type="application/json")


def status_of(error: KlinecastError) -> int:
    """Return the HTTP status an error is answered with."""
    statuses: tuple[tuple[type[KlinecastError], int], ...] = (
        (InvalidParameter, 422),
        (Unauthorized, 401),
        (Forbidden, 403),
        (NotFound, 404),
        (Conflict, 409),
        (RateLimited, 429),
        (TooManyRequests, 429),
        (RetryableError, 503),
    )
    return next((status for kind, status in statuses if isinstance(error, kind)), 500)


def _answer_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, KlinecastError):
        raise error
    wait_s = float(RETRY_AFTER_S)
    if isinstance(error, RateLimited | TooManyRequests):
        wait_s = error.retry_after_s
    return error_response(
        status_of(error), type(error).__name__, error.detail, error.hint, retry_after_s=wait_s
    )


def _answer_validation(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"][1:]) or str(problem["loc"][0])
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    if problem["type"] == "missing":
        detail = f"{where} was not given"
    else:
        detail = f"{where} was {shown(problem.get('input'))}; {message}"
    return error_response(422, "InvalidParameter", detail)


def _answer_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    name = {404: "NotFound", 405: "MethodNotAllowed", 406: "NotAcceptable"}.get(
        error.status_code, "HTTPError"
    )
    detail, hint = str(error.detail), ""
    if error.status_code == 400:  # the framework's for a body it could not even decode
        return error_response(422, "InvalidParameter", "the body is not JSON in UTF-8")
    if detail == HTTPStatus(error.status_code).phrase:  # the framework's own word for it
        where = f"at {shown(request.url.path)}"
        words = {404: f"there is nothing {where}", 405: f"{request.method} is not possible {where}"}
        detail = words.get(error.status_code, detail)
        hint = "GET /openapi.json lists what there is."
    response = error_response(error.status_code, name, detail, hint)
    response.headers.update(error.headers or {})  # a 405 names what is allowed
    return response


def _answer_unexpected(request: Request, error: Exception) -> Response:
    request_id = request.state.request_id
    log.error("request_failed", path=request.url.path, request_id=request_id, exc_info=error)
    return error_response(
        500,
        "InternalError",
        "this request failed in a way that was not foreseen",
        f"The log tells more under request_id {request_id}.",
    )


def json_response(value: object, status: int = 200) -> Response:
    """Return a value as JSON, by orjson."""
    return Response(orjson.dumps(value), status, media_type="application/json")
