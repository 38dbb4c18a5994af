"""What may be asked for: scopes, the roles that give them, and which request needs which. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from market.errors import InvalidParameter

Scope = Literal["read", "forecast", "train", "admin"]
Role = Literal["viewer", "analyst", "operator", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
ROLES: tuple[Role, ...] = get_args(Role)

#: What a role may do at most; each does what those before it do.
_OF_ROLE: dict[Role, frozenset[Scope]] = {
    role: frozenset(SCOPES[: number + 1]) for number, role in enumerate(ROLES)
}

#: Nobody asks who looks at these: they tell nothing of what is stored but its clock.
_FREE = frozenset(
    {"/healthz", "/readyz", "/metrics", "/openapi.json", "/api/v3/ping", "/api/v3/time"}
)
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
#: What a signed-in user does with what is their own, whatever their role.
_OWN = ("/v1/session", "/v1/tokens")


def scopes_of(role: Role) -> frozenset[Scope]:
    """Return what a role may do."""
    return _OF_ROLE[role]


def parse_scopes(texts: Iterable[str]) -> frozenset[Scope]:
    """Read scopes; `admin` does not imply the others.

    Raises:
        InvalidParameter: there is none, or one that does not exist.
    """
    given = list(texts)
    scopes = frozenset(scope for scope in SCOPES if scope in given)
    if not scopes or set(given) - scopes:
        raise InvalidParameter("scopes", given, f"one or more of {', '.join(SCOPES)}")
    return scopes


def parse_role(text: str) -> Role:
    """Read a role.

    Raises:
        InvalidParameter: it does not exist.
    """
    for role in ROLES:
        if role == text:
            return role
    raise InvalidParameter("role", text, f"one of {', '.join(ROLES)}")


def format_scopes(scopes: Iterable[Scope]) -> str:
    """Return scopes as one text, in their fixed order."""
    chosen = set(scopes)
    return " ".join(scope for scope in SCOPES if scope in chosen)


Need = Scope | Literal["free", "identity"]
"""What a request needs: a scope, nothing, or only to be somebody."""


def need_of(method: str, path: str) -> Need:
    """Return what a request needs where access is required.

    All that is not known here to be harmless needs a scope: reading needs `read`, anything
    else at least `train`, and what changes an unknown address `admin`.
    """
    if path in _FREE or not _is_api(path) or (path == "/v1/session" and method == "POST"):
        return "free"
    if _is_below(path, "/v1/admin"):
        return "admin"
    if any(_is_below(path, own) for own in _OWN):
        return "identity"
    if method in _READING:
        return "read"
    if path == "/v1/forecasts":
        return "forecast"
    if any(_is_below(path, work) for work in ("/v1/trainings", "/v1/tunings", "/v1/jobs")):
        return "train"
    return "admin"


def is_always_guarded(path: str) -> bool:
    """Tell whether a path needs somebody even where reading is public."""
    return any(_is_below(path, guarded) for guarded in ("/v1/admin", *_OWN))


def is_binances(path: str) -> bool:
    """Tell whether a path answers errors as Binance does."""
    return _is_below(path, "/api")


def _is_api(path: str) -> bool:
    return _is_below(path, "/v1") or _is_below(path, "/api")


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")
