"""One GET of an API: retries, and the API's errors as Klinecast's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
import orjson
import stamina

from market.errors import (
    Conflict,
    FatalError,
    Forbidden,
    InvalidParameter,
    KlinecastError,
    NotFound,
    RetryableError,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)

Answer = TypeVar("Answer")

#: What a gateway or a service answers when the same call may succeed later.
_AWAY = frozenset({502, 503, 504})

#: A wait longer than this is the caller's to decide on: a monthly quota is used up.
_LONGEST_WAIT_S = 60.0
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
            ServiceUnavailable, TooManyRequests: after the last attempt, or where the wait
                that is asked for is longer than a minute.
            NotFound, InvalidParameter, Unauthorized, Forbidden, Conflict, FatalError: as the
                API answered.
        """

        def ask() -> Any:
            with self._unavailable(path):
                response = self._http.get(self._base_url + path, params=_sent(parameters))
            if response.status_code != httpx.codes.OK:
                raise error_of(response)
            try:
                return orjson.loads(response.content)
            except orjson.JSONDecodeError as error:
                url = self._base_url + path
                raise FatalError(f"{url} answered something that is not JSON") from error

        return self._repeat(ask)

    def stream(
        self,
        path: str,
        parameters: Mapping[str, str | int | None],
        read: Callable[[Mapping[str, str], Iterator[bytes]], Answer],
    ) -> Answer:
        """Return what `read` makes of the headers and the body, part by part.

        A stream that breaks off is asked for again, from its beginning.

        Raises:
            As `get`, and what `read` raises.
        """

        def ask() -> Answer:
            url = self._base_url + path
            with (
                self._unavailable(path),
                self._http.stream("GET", url, params=_sent(parameters)) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    response.read()
                    raise error_of(response)
                return read(response.headers, response.iter_bytes())

        return self._repeat(ask)

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def _repeat(self, ask: Callable[[], Answer]) -> Answer:
        for attempt in stamina.retry_context(on=_wait, attempts=self._attempts, timeout=None):
            with attempt:
                return ask()
        raise AssertionError("the last attempt raises or returns")

    @contextmanager
    def _unavailable(self, path: str) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"{self._base_url}{path} does not answer: {error or type(error).__name__}",
                hint="Start the API, or correct its address.",
            ) from error


def _sent(parameters: Mapping[str, str | int | None]) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _wait(error: Exception) -> bool | float:
    """Tell whether to ask again, or after how many seconds."""
    if isinstance(error, TooManyRequests):
        return error.retry_after_s <= _LONGEST_WAIT_S and error.retry_after_s
    return isinstance(error, RetryableError)


def error_of(response: httpx.Response) -> KlinecastError:
    """Return the error that an answer other than 200 stands for."""
    detail, hint = _words_of(response)
    status = response.status_code
    if status in _AWAY:
        return ServiceUnavailable(detail, hint=hint)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        wait = response.headers.get("Retry-After", "")
        seconds = float(wait) if wait.isdigit() else 1.0
        return TooManyRequests(detail, retry_after_s=seconds, hint=hint)
    kinds: dict[int, type[Unauthorized | Forbidden | NotFound | RefusedParameter | Conflict]] = {
        401: Unauthorized,
        403: Forbidden,
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
