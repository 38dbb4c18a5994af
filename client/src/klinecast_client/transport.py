"""One GET of an API: retries, and the API's errors as Klinecast's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import orjson
import stamina

from market.errors import (
    Conflict,
    FatalError,
    InvalidParameter,
    KlinecastError,
    NotFound,
    RateLimited,
    RetryableError,
    ServiceUnavailable,
)

#: What a gateway or a service answers when the same call may succeed later.
_AWAY = frozenset({502, 503, 504})

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


class RefusedParameter(InvalidParameter):
    """A parameter the API refused, in the API's words."""

    def __init__(self, detail: str, *, hint: str = "") -> None:
        KlinecastError.__init__(self, detail, hint=hint)
        self.name = detail.partition(" ")[0]
        self.value = None


class Transport:
    """A pooled HTTP client for one API. Safe to share between threads."""

    def __init__(
        self, base_url: str, token: str | None, *, timeout_s: float, attempts: int
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if httpx.URL(base_url).host in _THIS_MACHINE:
            # Here compressing costs more time than it saves.
            headers["Accept-Encoding"] = "identity"
        self._base_url = base_url.rstrip("/")
        self._attempts = attempts
        self._http = httpx.Client(timeout=timeout_s, headers=headers)

    def get(self, path: str, parameters: Mapping[str, str | int | None]) -> Any:
        """Return the JSON of a GET, asking again while the error is retryable.

        Raises:
            ServiceUnavailable, RateLimited: after the last attempt.
            NotFound, InvalidParameter, Conflict, FatalError: as the API answered.
        """
        sent = {name: str(value) for name, value in parameters.items() if value is not None}
        for attempt in stamina.retry_context(
            on=RetryableError, attempts=self._attempts, timeout=None, wait_max=5.0
        ):
            with attempt:
                return self._get_once(path, sent)
        raise AssertionError("the last attempt raises or returns")

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def _get_once(self, path: str, parameters: dict[str, str]) -> Any:
        url = self._base_url + path
        try:
            response = self._http.get(url, params=parameters)
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"{url} does not answer: {error or type(error).__name__}",
                hint="Start the API, or correct its address.",
            ) from error
        if response.status_code != httpx.codes.OK:
            raise error_of(response)
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise FatalError(f"{url} answered something that is not JSON") from error


def error_of(response: httpx.Response) -> KlinecastError:
    """Return the error that an answer other than 200 stands for."""
    detail, hint = _words_of(response)
    status = response.status_code
    if status in _AWAY:
        return ServiceUnavailable(detail, hint=hint)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        wait = response.headers.get("Retry-After", "")
        seconds = float(wait) if wait.isdigit() else 1.0
        return RateLimited(detail, retry_after_s=seconds, hint=hint)
    kinds: dict[int, type[NotFound | RefusedParameter | Conflict]] = {
        404: NotFound,
        409: Conflict,
        422: RefusedParameter,
    }
    return kinds.get(status, FatalError)(detail, hint=hint)


def _words_of(response: httpx.Response) -> tuple[str, str]:
    unnamed = f"{response.request.url} answered HTTP {response.status_code}"
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return unnamed, ""
    if not isinstance(body, dict):
        return unnamed, ""
    return str(body.get("detail", unnamed)), str(body.get("hint", ""))
