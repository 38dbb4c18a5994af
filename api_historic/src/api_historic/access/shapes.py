"""What the routes of access take and answer. Times are UTC epoch ms, of the store's clock."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from market.access.audit import AuditEntry
from market.access.principal import Limits
from market.access.scopes import SCOPES, Role, Scope
from market.access.token_store import TokenRow
from market.access.tokens import Token
from market.access.usage import Usage
from market.access.users import User

_TOKEN = "klc_4f9k2m7q1x_" + "x" * 43
_MONTHLY = Field(
    None, description="Requests in a month of UTC; without it no limit.", examples=[100_000]
)
_RATE = Field(None, description="Requests in a second; without it no limit.", examples=[10])


class Wish(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SignIn(Wish):
    """The body of `POST /v1/session`."""

    user: str = Field(examples=["anna"])
    password: SecretStr = Field(examples=["correct horse battery"])


class TokenBody(Wish):
    """The body of `POST /v1/tokens`."""

    label: str = Field(description="What it is for.", examples=["my notebook"])
    scopes: list[Scope] = Field(["read"], description="What it may do.")
    days: int | None = Field(None, description="Days until it expires; without them never.")
    monthly_quota: int | None = _MONTHLY
    rate_per_s: int | None = _RATE

    def limits(self) -> Limits:
        """Return the limits."""
        return Limits(self.monthly_quota, self.rate_per_s)


class AdminTokenBody(TokenBody):
    """The body of `POST /v1/admin/tokens`."""

    user: str | None = Field(None, description="Whose it is; their role bounds it.")


class Rotation(Wish):
    """The body of a rotation."""

    grace_s: int = Field(0, description="Seconds for which the old secret is still taken.")


class UserBody(Wish):
    """The body of `POST /v1/admin/users`."""

    user: str = Field(examples=["anna"])
    role: Role = "viewer"
    password: SecretStr = Field(description="12 to 256 characters.")
    monthly_quota: int | None = _MONTHLY
    rate_per_s: int | None = _RATE


class UserChange(Wish):
    """The body of `PATCH /v1/admin/users/{user}`: only what is named is changed."""

    role: Role | None = None
    password: SecretStr | None = None
    monthly_quota: int | None = _MONTHLY
    rate_per_s: int | None = _RATE

    @property
    def changes_limits(self) -> bool:
        """Whether a limit is named, be it to lift it."""
        return bool(self.model_fields_set & {"monthly_quota", "rate_per_s"})


class Shape(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class UsageShape(Shape):
    """What an account used, and its limits (`null`: none)."""

    month_used: int
    monthly_quota: int | None
    rate_per_s: int | None
    month_ends_in_s: int | None

    @classmethod
    def of(cls, limits: Limits, usage: Usage | None) -> UsageShape:
        """Return the shape of what is known."""
        return cls(
            month_used=0 if usage is None else usage.used,
            monthly_quota=limits.monthly_quota,
            rate_per_s=limits.rate_per_s,
            month_ends_in_s=None if usage is None else usage.month_left_s,
        )


class IdentityShape(Shape):
    """Who asks. `csrf_token` goes into `X-CSRF-Token` of every request that changes something."""

    kind: Literal["session", "token"]
    name: str
    user: str | None
    token_id: str | None
    scopes: list[Scope]
    expires_ms: int | None
    usage: list[UsageShape]
    csrf_token: str | None = None


class TokenShape(Shape):
    """A token, but for its secret."""

    id: str
    label: str
    state: Literal["active", "expired", "revoked"]
    scopes: list[Scope]
    user: str | None
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    usage: UsageShape

    @classmethod
    def of(cls, row: TokenRow, usage: Usage | None) -> TokenShape:
        """Return the shape of a token."""
        return cls(
            id=row.public_id,
            label=row.label,
            state=row.state,
            scopes=[scope for scope in SCOPES if scope in row.scopes],
            user=row.user,
            created_ms=row.created_ms,
            expires_ms=row.expires_ms,
            revoked_ms=row.revoked_ms,
            usage=UsageShape.of(row.limits, usage),
        )


class NewTokenShape(Shape):
    """A token whole: the only time that it is shown."""

    token: str = Field(examples=[_TOKEN])
    id: str
    label: str
    scopes: list[Scope]
    expires_ms: int | None

    @classmethod
    def of(cls, made: Token, row: TokenRow) -> NewTokenShape:
        """Return the shape of a token that was made just now."""
        return cls(
            token=made.text,
            id=row.public_id,
            label=row.label,
            scopes=[scope for scope in SCOPES if scope in row.scopes],
            expires_ms=row.expires_ms,
        )


class TokenPage(Shape):
    """Tokens by their ids."""

    tokens: list[TokenShape]
    next: str | None = None


class UserShape(Shape):
    """A user, but for the password."""

    user: str
    role: Role
    monthly_quota: int | None
    rate_per_s: int | None
    created_ms: int
    changed_ms: int

    @classmethod
    def of(cls, user: User) -> UserShape:
        """Return the shape of a user."""
        return cls(
            user=user.name,
            role=user.role,
            monthly_quota=user.limits.monthly_quota,
            rate_per_s=user.limits.rate_per_s,
            created_ms=user.created_ms,
            changed_ms=user.changed_ms,
        )


class UserPage(Shape):
    """Users by name."""

    users: list[UserShape]
    next: str | None = None


class AuditShape(Shape):
    """One action of an administrator or a user: who did what to whom, from where."""

    id: int
    at_ms: int
    actor: str
    address: str
    action: str
    subject: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditShape:
        """Return the shape of an entry."""
        return cls(
            id=entry.id,
            at_ms=entry.at_ms,
            actor=entry.actor,
            address=entry.address,
            action=entry.action,
            subject=entry.subject,
            detail=dict(entry.detail),
        )


class AuditPage(Shape):
    """Actions, newest first."""

    entries: list[AuditShape]
    next: str | None = None
