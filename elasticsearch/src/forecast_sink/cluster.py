"""The connection to Elasticsearch, and its faults in Klinecast's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError

from market.errors import Conflict, ServiceUnavailable, SettingsError

_VARIABLE = "KLINECAST_ELASTICSEARCH_URL"
_OLDEST = (8, 12)
_NEWEST_MAJOR = 9
_TIMEOUT_S = 10.0
_BUSY = frozenset({408, 429, 500, 502, 503, 504})


def split_url(variable: str, url: str) -> SplitResult:
    """Return the parts of an HTTP URL.

    Raises:
        SettingsError: it is none; a password in it is not shown.
    """
    expected = "a URL such as http://user:password@host:9200"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise SettingsError(variable, "(unreadable)", expected) from None
    if not valid:
        raise SettingsError(variable, bare_url(parts), expected)
    return parts


def bare_url(parts: SplitResult) -> str:
    """Return the URL without user and password."""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def open_cluster(url: str) -> Elasticsearch:
    """Return a client for that URL; no connection is made yet.

    It never retries by itself: the caller knows what can be repeated.

    Raises:
        SettingsError: the URL is not one of a server.
    """
    parts = split_url(_VARIABLE, url)
    port = parts.port or {"http": 9200, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    password = (unquote(parts.username or ""), unquote(parts.password or ""))
    return Elasticsearch(
        f"{parts.scheme}://{host}:{port}{parts.path}",
        basic_auth=password if parts.username else None,
        request_timeout=_TIMEOUT_S,
        max_retries=0,
    )


@contextmanager
def reaching(client: Elasticsearch) -> Iterator[None]:
    """Turn the client's faults into Klinecast's.

    Raises:
        ServiceUnavailable: Elasticsearch does not answer, or asks to come back later.
        SettingsError: user or password are wrong, or something else answers there.
        Conflict: it refuses the request.
    """
    address = address_of(client)
    try:
        yield
    except UnsupportedProductError:
        raise SettingsError(
            _VARIABLE, address, "the URL of an Elasticsearch; something else answers there"
        ) from None
    except ApiError as error:
        raise _refusal(error, address) from error
    except TransportError as error:
        raise ServiceUnavailable(
            f"Elasticsearch at {address} does not answer: {first_line(error.message)}"
        ) from error


def address_of(client: Elasticsearch) -> str:
    """Return the server's address, without a password."""
    node = next(iter(client.transport.node_pool.all()))
    return f"{node.config.scheme}://{node.config.host}:{node.config.port}{node.config.path_prefix}"


def first_line(text: object) -> str:
    """Return the first line of a message, for errors of one sentence."""
    return str(text).strip().partition("\n")[0][:300]


def _refusal(error: ApiError, address: str) -> Exception:
    status = error.meta.status
    if status in (401, 403):
        return SettingsError(
            _VARIABLE, address, f"a user with the rights needed there ({reason_of(error)})"
        )
    if status in _BUSY:
        return ServiceUnavailable(
            f"Elasticsearch at {address} answers HTTP {status}: {reason_of(error)}"
        )
    return Conflict(f"Elasticsearch at {address} refused, HTTP {status}: {reason_of(error)}")


def reason_of(error: ApiError) -> str:
    """Return Elasticsearch's own words for a refusal."""
    body: Any = error.body
    cause = body.get("error") if isinstance(body, dict) else None
    if isinstance(cause, dict):
        return first_line(f"{cause.get('type')}: {cause.get('reason')}")
    return first_line(cause or error.message)


def check_version(client: Elasticsearch) -> str:
    """Return the server's version.

    Raises:
        SettingsError: it is too old or too new, or not an Elasticsearch.
        ServiceUnavailable: it does not answer.
    """
    with reaching(client):
        number = str(client.info()["version"]["number"])
    try:
        major, minor = (int(part) for part in number.split(".")[:2])
    except ValueError:
        major, minor = 0, 0
    if (major, minor) < _OLDEST or major > _NEWEST_MAJOR:
        raise SettingsError(
            _VARIABLE,
            f"{address_of(client)} with version {number}",
            "an Elasticsearch from 8.12 to 9",
        )
    return number
