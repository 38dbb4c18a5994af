"""python-binance's client, made to ask any host, to decode quickly and to keep quiet."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import orjson
from binance.client import Client
from binance.exceptions import BinanceAPIException, BinanceRequestException
from urllib3.exceptions import HTTPError

from market.errors import DataError, ExchangeUnavailable
from market.log import mask_text
from populate_base import metrics
from populate_base.api_key import ApiKey

#: Not sent on to wherever an answer points: a key must reach nobody else. The time-out is
#: that between two bytes, so the body is read here, within a time and a size of its own.
_REQUESTS = {"timeout": 8.0, "allow_redirects": False, "stream": True}
_WHOLE_S = 30.0
#: exchangeInfo of every symbol has about twenty megabytes.
_MAX_BODY_BYTES = 128 << 20
_CHUNK_BYTES = 1 << 16
_HINT = (
    "Check the network and KLINECAST_BINANCE_REST_URL; `sh setup.sh --demo` runs the platform"
    " on recorded klines."
)
_Answer = TypeVar("_Answer")


class Refusal(Exception):
    """An answer other than 2xx: its status, and code and message of Binance's JSON body."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Heard(NamedTuple):
    """The headers of an answer, and this machine's clock before and after the request."""

    headers: Mapping[str, str]
    sent_s: float
    received_s: float


class _QuickClient(Client):  # type: ignore[misc]  # the library tells no types
    @staticmethod
    def _handle_response(response: Any) -> Any:
        # As the library does, but decoded by orjson: five times as fast on a page of klines.
        _read_body(response)
        if not 200 <= response.status_code < 300:
            raise BinanceAPIException(response, response.status_code, response.text)
        try:
            return orjson.loads(response.content or b"{}")
        except ValueError:
            raise BinanceRequestException("no JSON") from None


def _read_body(response: Any) -> None:
    """Read an answer's body, bounded in time and size, to where its reader looks for it.

    Raises:
        OSError: it was cut off, or came too slowly, or was too large.
    """
    deadline_s = time.monotonic() + _WHOLE_S
    body = bytearray()
    try:
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > _MAX_BODY_BYTES or time.monotonic() > deadline_s:
                raise TimeoutError(f"{len(body)} bytes of an answer came within {_WHOLE_S:.0f} s")
    except HTTPError as error:
        raise ConnectionError(str(error)) from error
    finally:
        response._content = bytes(body)
        response._content_consumed = True
        if not response.raw.closed:
            response.close()


class RestClient:
    """Sends one request at a time; safe to share between threads.

    Attributes:
        heard: headers and times of the last answer, of this thread's last `ask`.
    """

    def __init__(self, key: ApiKey | None = None) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._client = _quiet_client()
        self._local = threading.local()

    @property
    def heard(self) -> Heard | None:
        """Return what the last answer to this thread said, `None` where none came."""
        found: Heard | None = getattr(self._local, "heard", None)
        return found

    def close(self) -> None:
        """Close the connections."""
        self._client.session.close()

    def ask(self, host: str, fetch: Callable[[Any], _Answer]) -> _Answer:
        """Let `fetch` make one call of python-binance's client, against that host.

        Raises:
            Refusal: the host answered with another status than 2xx.
            ExchangeUnavailable: no answer came, or one that can't be read.
        """
        self._local.heard = None
        with self._lock:
            self._client.API_URL = f"{host}/api"
            self._client.MARGIN_API_URL = f"{host}/sapi"
            self._client.response = None
            sent_s = time.time()
            try:
                return fetch(self._client)
            except BinanceAPIException as error:
                raise _refusal(error) from None  # its request may hold the key's signature
            except (BinanceRequestException, AttributeError) as error:
                raise ExchangeUnavailable(f"{host} sent no JSON of Binance's") from error
            except OSError as error:
                kind = type(error).__name__
                metrics.REQUESTS.labels("rest", "unreachable").inc()
                raise ExchangeUnavailable(
                    f"Binance at {host} cannot be reached ({kind})", hint=_HINT
                ) from None
            finally:
                self._hear(sent_s)

    def _hear(self, sent_s: float) -> None:
        response = self._client.response
        if response is not None:
            self._local.heard = Heard(response.headers, sent_s, time.time())
            metrics.REQUESTS.labels("rest", str(response.status_code)).inc()
            metrics.BYTES.labels("rest").inc(len(response.content))

    def fetch_permissions(self, host: str, offset_ms: int) -> Mapping[str, Any]:
        """Return what the key may do; raises as `ask` does. Only this call is signed.

        `offset_ms` is how far the exchange's clock is ahead of this machine's.
        """

        def fetch(client: Any) -> Any:
            client.timestamp_offset = offset_ms
            client.API_KEY, client.API_SECRET = self._secrets()
            client.session.headers["X-MBX-APIKEY"] = client.API_KEY
            return client.get_account_api_permissions()

        told = self.ask(host, fetch)
        if not isinstance(told, dict):
            raise DataError("Binance told the key's permissions in a form that is not known")
        return told

    def _secrets(self) -> tuple[str, str]:
        if self._key is None:
            raise AssertionError("there is no key to ask about")
        return self._key.key.get_secret_value(), self._key.secret.get_secret_value()


def _refusal(error: Any) -> Refusal:
    code = error.code if isinstance(error.code, int) else 0
    return Refusal(error.status_code, code, mask_text(str(error.message)))


def _quiet_client() -> Any:
    # The constructor wants an event loop for stream clients that are never used here, and
    # from Python 3.12 on warns where a thread has none.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return _QuickClient(ping=False, requests_params=_REQUESTS)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
