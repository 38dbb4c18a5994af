"""Importing the dashboards into Kibana through its saved objects API.

Source: https://www.elastic.co/guide/en/kibana/8.19/saved-objects-api-import.html
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import unquote

import httpx

from forecast_sink.cluster import bare_url, first_line, split_url
from market.errors import Conflict, ServiceUnavailable, SettingsError

_VARIABLE = "KLINECAST_KIBANA_URL"
_TIMEOUT_S = 60.0
_FILE_NAME = "klinecast.ndjson"  # Kibana looks at the ending


class Kibana(NamedTuple):
    """Where Kibana is; `address` is without the password and may be shown."""

    address: str
    account: tuple[str, str] | None

    @classmethod
    def at(cls, url: str) -> Kibana:
        """Read the URL of a Kibana; a path in it is its base path or space.

        Raises:
            SettingsError: the URL is not one of a server.
        """
        parts = split_url(_VARIABLE, url)
        account = (unquote(parts.username or ""), unquote(parts.password or ""))
        return cls(bare_url(parts).rstrip("/"), account if parts.username else None)


def check_available(kibana: Kibana) -> None:
    """Check that Kibana is up.

    Raises:
        ServiceUnavailable: it does not answer or is still starting.
        SettingsError: something else answers there.
    """
    answer = _request(kibana, "GET", "/api/status")
    level = _member(_body(answer), "status", "overall", "level")
    if answer.status_code == 404 or (answer.status_code == 200 and level is None):
        raise SettingsError(
            _VARIABLE, kibana.address, "the URL of a Kibana; something else answers there"
        )
    if level != "available":
        raise ServiceUnavailable(
            f"Kibana at {kibana.address} is not available yet:"
            f" HTTP {answer.status_code}, {level or 'no status'}"
        )


def import_objects(kibana: Kibana, ndjson: bytes) -> int:
    """Import saved objects over those of the same ids; return how many.

    Raises:
        ServiceUnavailable: Kibana does not answer.
        SettingsError: it refuses the user.
        Conflict: it did not take all of them; the message names the first that failed.
    """
    answer = _request(
        kibana,
        "POST",
        "/api/saved_objects/_import",
        params={"overwrite": "true"},
        headers={"kbn-xsrf": "true"},
        files={"file": (_FILE_NAME, ndjson, "application/ndjson")},
    )
    body = _body(answer)
    if answer.status_code in (401, 403):
        raise SettingsError(
            _VARIABLE, kibana.address, f"a user who may import ({_member(body, 'message')})"
        )
    if answer.status_code >= 500 or answer.status_code == 429:
        raise ServiceUnavailable(
            f"Kibana at {kibana.address} answers HTTP {answer.status_code}:"
            f" {first_line(_member(body, 'message') or answer.text)}"
        )
    wanted = sum(1 for line in ndjson.splitlines() if line.strip())
    # A failed import is answered with 200 as well: only the body tells.
    taken = _member(body, "successCount")
    if answer.status_code != 200 or _member(body, "success") is not True or taken != wanted:
        raise Conflict(
            f"Kibana at {kibana.address} took {taken or 0} of {wanted} saved objects:"
            f" {_first_problem(body) or first_line(answer.text)}"
        )
    return wanted


def set_default_view(kibana: Kibana, view: str) -> bool:
    """Make a data view the default; return whether this Kibana knows the request.

    Raises:
        ServiceUnavailable: Kibana does not answer.
        SettingsError: it refuses the user.
        Conflict: it refuses the request.
    """
    body = {"data_view_id": view, "force": True}
    answer = call_api(kibana, "POST", "/api/data_views/default", body)
    if answer.status_code == 404:
        return False
    expect_done(kibana, answer, "the default data view")
    return True


def call_api(kibana: Kibana, method: str, path: str, body: Any) -> httpx.Response:
    """Return Kibana's answer to a request with a JSON body, whatever its status.

    Raises:
        ServiceUnavailable: Kibana does not answer.
    """
    return _request(kibana, method, path, headers={"kbn-xsrf": "true"}, json=body)


def expect_done(kibana: Kibana, answer: httpx.Response, what: str) -> None:
    """Raise what a refusal means, as `set_default_view` tells."""
    if answer.is_success:
        return
    message = first_line(_member(_body(answer), "message") or answer.text)
    if answer.status_code in (401, 403):
        raise SettingsError(_VARIABLE, kibana.address, f"a user who may set {what} ({message})")
    said = f"Kibana at {kibana.address} answers HTTP {answer.status_code} to {what}: {message}"
    if answer.status_code >= 500 or answer.status_code == 429:
        raise ServiceUnavailable(said)
    raise Conflict(said)


def _request(kibana: Kibana, method: str, path: str, **more: Any) -> httpx.Response:
    url = kibana.address + path
    try:
        return httpx.request(method, url, auth=kibana.account, timeout=_TIMEOUT_S, **more)
    except httpx.HTTPError as error:
        raise ServiceUnavailable(
            f"Kibana at {kibana.address} does not answer: {error or type(error).__name__}"
        ) from error


def _body(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _member(body: Any, *path: str) -> Any:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body


def _first_problem(body: Any) -> str | None:
    errors = _member(body, "errors")
    if not isinstance(errors, list) or not errors:
        message = _member(body, "message")
        return first_line(message) if message else None
    first = errors[0]
    kind = _member(first, "error", "type")
    detail = _member(first, "error", "message") or _member(first, "error", "references")
    name = f"{_member(first, 'type')} {_member(first, 'id')}"
    return f"{name}: {kind}" + (f" ({detail})" if detail else "")
