"""Who asks, and what they may use. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from market.access.scopes import Scope


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be used; `None` is without limit.

    Attributes:
        monthly_quota: requests in a month of UTC.
        rate_per_s: requests in a second, after a pause twice as many at once.
    """

    monthly_quota: int | None = None
    rate_per_s: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self.monthly_quota is not None or self.rate_per_s is not None


@dataclass(frozen=True, slots=True)
class Account:
    """Where requests are counted: `token:ID` or `user:ID`, and its limits."""

    key: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who was let in.

    Attributes:
        kind: by what.
        name: for the audit log: `token ID` or `user NAME`.
        scopes: what they may do.
        accounts: what their requests are counted on, all of which must have something left.
        user: the user behind, `None` for a token of nobody.
        token_id: the token's public id, `None` for a session.
        expires_ms: when this ends by itself, by the database's clock.
    """

    kind: Literal["token", "session"]
    name: str
    scopes: frozenset[Scope]
    accounts: tuple[Account, ...]
    user: str | None = None
    token_id: str | None = None
    expires_ms: int | None = None
