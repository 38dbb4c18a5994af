"""What a request shows of who sends it: a token in a header, or a session's cookie. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from starlette.requests import cookie_parser

from market.access import sessions, tokens
from market.errors import Forbidden, InvalidParameter, Unauthorized

#: The second name is bound by browsers to this very host, and to TLS.
COOKIE = "klinecast_session"
SECURE_COOKIE = "__Host-klinecast_session"
CSRF_HEADER = "X-CSRF-Token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_IN_ADDRESS = re.compile(rb"klc_([a-z0-9]{10})_[A-Za-z0-9]{20}")

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Credential:
    """Something shown as a proof; `key` tells two apart without keeping them."""

    kind: Literal["token", "session"]
    text: str = field(repr=False)

    @property
    def key(self) -> bytes:
        """A digest of it."""
        return hashlib.sha256(f"{self.kind} {self.text}".encode()).digest()


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers of an ASGI scope by their names in small letters; the first one counts."""
    headers: dict[str, str] = {}
    for name, value in raw:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return headers


def read_credential(headers: Headers, *, is_binances: bool, is_secure: bool) -> Credential | None:
    """Return what a request shows, `None` where it shows nothing.

    Raises:
        Unauthorized: it shows what can't be one of ours.
    """
    authorization = headers.get("authorization")
    if authorization is not None:
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized(
                "Authorization is of a scheme that is not known here",
                hint="Send `Authorization: Bearer TOKEN`.",
            )
        return _token(text.strip())
    for name in ("x-api-key", "x-mbx-apikey") if is_binances else ("x-api-key",):
        if name in headers:
            return _token(headers[name].strip())
    cookies = headers.get("cookie", "")
    name = SECURE_COOKIE if is_secure else COOKIE
    text = cookie_parser(cookies).get(name, "") if name in cookies else ""
    return Credential("session", text) if 0 < len(text) <= sessions.LONGEST else None


def _token(text: str) -> Credential:
    if tokens.parse_token(text) is None:
        raise Unauthorized("the token is not valid", hint=f"A token begins with {tokens.PREFIX}_.")
    return Credential("token", text)


def check_address(path: bytes, query: bytes) -> None:
    """Check that an address holds no token: addresses end up in logs and histories.

    Raises:
        InvalidParameter: it does; the token is not repeated.
    """
    if b"klc_" in query or b"klc_" in path:
        found = _IN_ADDRESS.search(query) or _IN_ADDRESS.search(path)
        if found is not None:
            raise InvalidParameter(
                "address",
                f"one that holds token {found[1].decode()}",
                "no token in an address, where logs and histories keep it",
                hint="Send it as `Authorization: Bearer TOKEN`, and rotate this one.",
            )


def check_same_site(
    method: str, headers: Headers, credential: Credential, *, is_socket: bool
) -> None:
    """Check that the page of this very host sent what a cookie is the proof of.

    Raises:
        Forbidden: another site did, or it can't be told.
    """
    if credential.kind != "session" or (method in _SAFE and not is_socket):
        return
    check_origin(headers)
    token = sessions.SessionSecret(credential.text).csrf_token
    if not is_socket and not tokens.is_same(headers.get(CSRF_HEADER.lower(), ""), token):
        raise Forbidden(
            f"{CSRF_HEADER} was missing or wrong",
            hint="Send the csrf_token that GET /v1/session answers.",
        )


def check_origin(headers: Headers) -> None:
    """Check that a request which names its origin comes from a page of this host.

    Raises:
        Forbidden: it comes from a page of another one.
    """
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise Forbidden("this comes from a page of another site")
