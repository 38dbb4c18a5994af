"""Tokens in the store: made, found, rotated, revoked. Only digests of their secrets are kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Select, func, select

from market.access.audit import Actor, write_audit
from market.access.principal import Limits
from market.access.scopes import Scope, format_scopes, parse_scopes
from market.access.tokens import Token, draw_token
from market.errors import Conflict, InvalidParameter, NotFound
from market.store import access_tables as t
from market.store.database_clock import now_of

#: Tokens a user may have at a time; what can be made without end fills the store.
MOST_OF_A_USER = 50
_LABEL = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,80}")
_HIGHEST_QUOTA = 2**53
_HIGHEST_RATE = 1_000_000
_DAY_MS = 86_400_000
_LONGEST_DAYS = 3_650
_LONGEST_GRACE_S = 7 * 86_400


@dataclass(frozen=True, slots=True)
class TokenWish:
    """What a token shall be.

    Raises:
        InvalidParameter: a value is not valid.
    """

    label: str
    scopes: frozenset[Scope]
    limits: Limits = Limits()
    days: int | None = None

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.label) or not self.label.strip():
            raise InvalidParameter("label", self.label[:100], "1 to 80 printable characters")
        check_limits(self.limits)
        if self.days is not None and not 1 <= self.days <= _LONGEST_DAYS:
            raise InvalidParameter("days", self.days, f"1 to {_LONGEST_DAYS}")


@dataclass(frozen=True, slots=True)
class TokenRow:
    """What is known of a token; times in ms of the database's clock.

    Attributes:
        hash, previous_hash: digests of the secret and, while it is still taken, of the one before.
        user, role, user_limits: its owner's, where it has one.
        used: requests in the running month.
        used_ms: when it was last counted, about.
    """

    public_id: str
    label: str
    scopes: frozenset[Scope]
    limits: Limits
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    hash: str
    previous_hash: str | None
    previous_until_ms: int | None
    user_id: int | None
    user: str | None
    role: str | None
    user_limits: Limits
    now_ms: int

    @property
    def state(self) -> Literal["active", "expired", "revoked"]:
        """Whether it is taken."""
        if self.revoked_ms is not None:
            return "revoked"
        return "active" if self.expires_ms is None or self.now_ms < self.expires_ms else "expired"

    def __repr__(self) -> str:
        return f"TokenRow({self.public_id})"


def check_limits(limits: Limits) -> None:
    """Check that limits are positive numbers of a sane size.

    Raises:
        InvalidParameter: one is not.
    """
    quota, rate = limits.monthly_quota, limits.rate_per_s
    if quota is not None and not 1 <= quota <= _HIGHEST_QUOTA:
        raise InvalidParameter("monthly_quota", quota, f"1 to {_HIGHEST_QUOTA}")
    if rate is not None and not 1 <= rate <= _HIGHEST_RATE:
        raise InvalidParameter("rate_per_s", rate, f"1 to {_HIGHEST_RATE}")


def create_token(
    connection: Connection,
    wish: TokenWish,
    actor: Actor,
    *,
    user_id: int | None = None,
    token: Token | None = None,
) -> Token:
    """Store a token and return it whole: the only time that it is known.

    Args:
        user_id: its owner, whose role bounds what it may do.
        token: one that exists already, elsewhere.

    Raises:
        Conflict: the user has as many tokens as a user may have.
    """
    now = int(connection.execute(select(now_of(connection))).scalar_one())
    if user_id is not None:
        _check_number(connection, user_id)
    made = token or draw_token()
    values = {
        "public_id": made.public_id,
        "hash": made.digest,
        "label": wish.label,
        "user_id": user_id,
        "scopes": format_scopes(wish.scopes),
        "monthly_quota": wish.limits.monthly_quota,
        "rate_per_s": wish.limits.rate_per_s,
        "created_ms": now,
        "expires_ms": None if wish.days is None else now + wish.days * _DAY_MS,
    }
    connection.execute(t.api_tokens.insert().values(values))
    write_audit(
        connection, actor, "token.create", f"token {made.public_id}",
        {
            "label": wish.label,
            "scopes": format_scopes(wish.scopes),
            "monthly_quota": wish.limits.monthly_quota,
            "rate_per_s": wish.limits.rate_per_s,
            "days": wish.days,
        },
    )  # fmt: skip
    return made


def adopt_token(connection: Connection, token: Token, wish: TokenWish, actor: Actor) -> bool:
    """Make the store know a token that was made elsewhere; tell whether it did not yet.

    Raises:
        Conflict: its id is known with another secret, or it was revoked.
    """
    try:
        known = read_token(connection, token.public_id)
    except NotFound:
        create_token(connection, wish, actor, token=token)
        return True
    if known.hash != token.digest or known.state != "active":
        why = known.state if known.state != "active" else "known with another secret"
        raise Conflict(
            f"token {token.public_id} is {why}",
            hint="Remove it from where it is set, and run `sh setup.sh` for a new one.",
        )
    return False


def rotate_token(
    connection: Connection, public_id: str, actor: Actor, *, grace_s: int = 0
) -> Token:
    """Give a token a new secret and return it; the old one is taken for `grace_s` more.

    Its id, limits, expiry and what it used stay.

    Raises:
        NotFound: there is no such token.
        Conflict: it has expired or was revoked.
    """
    if not 0 <= grace_s <= _LONGEST_GRACE_S:
        raise InvalidParameter("grace_s", grace_s, f"0 to {_LONGEST_GRACE_S} seconds")
    known = read_token(connection, public_id)
    if known.state != "active":
        raise Conflict(f"token {public_id} is {known.state}", hint="Create a new one.")
    made, c = draw_token(public_id), t.api_tokens.c
    values = {
        "hash": made.digest,
        "previous_hash": known.hash if grace_s else None,
        "previous_until_ms": known.now_ms + grace_s * 1_000 if grace_s else None,
    }
    same = (c.public_id == public_id, c.hash == known.hash)
    if connection.execute(t.api_tokens.update().where(*same).values(values)).rowcount != 1:
        raise Conflict(f"token {public_id} was rotated by somebody else at this moment")
    write_audit(connection, actor, "token.rotate", f"token {public_id}", {"grace_s": grace_s})
    return made


def revoke_token(connection: Connection, public_id: str, actor: Actor) -> None:
    """Take a token's rights away for good; once more changes nothing.

    Raises:
        NotFound: there is no such token.
    """
    known = read_token(connection, public_id)
    if known.revoked_ms is not None:
        return
    row = t.api_tokens.update().where(t.api_tokens.c.public_id == public_id)
    connection.execute(
        row.values(revoked_ms=known.now_ms, previous_hash=None, previous_until_ms=None)
    )
    write_audit(connection, actor, "token.revoke", f"token {public_id}", {"label": known.label})


def read_token(connection: Connection, public_id: str) -> TokenRow:
    """Return a token.

    Raises:
        NotFound: there is none of that id.
    """
    query = _tokens(connection).where(t.api_tokens.c.public_id == public_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"token {public_id!r} does not exist")
    return _token(row)


def read_tokens(
    connection: Connection, limit: int, *, after: str = "", user: str | None = None
) -> list[TokenRow]:
    """Return tokens by their ids, of one user where one is named; `after` ended the page before."""
    query = _tokens(connection).where(t.api_tokens.c.public_id > after)
    if user is not None:
        query = query.where(t.users.c.name == user)
    rows = connection.execute(query.order_by(t.api_tokens.c.public_id).limit(limit))
    return [_token(row) for row in rows]


def _check_number(connection: Connection, user_id: int) -> None:
    c = t.api_tokens.c
    alive = (c.user_id == user_id, c.revoked_ms.is_(None))
    count = connection.execute(select(func.count()).select_from(t.api_tokens).where(*alive))
    if count.scalar_one() >= MOST_OF_A_USER:
        raise Conflict(
            f"a user may have {MOST_OF_A_USER} tokens that are not revoked",
            hint="Revoke those that are not used.",
        )


def _tokens(connection: Connection) -> Select[Any]:
    u = t.users.c
    return select(
        t.api_tokens,
        u.name.label("user"),
        u.role,
        u.monthly_quota.label("user_quota"),
        u.rate_per_s.label("user_rate"),
        now_of(connection).label("now_ms"),
    ).select_from(t.api_tokens.outerjoin(t.users, u.id == t.api_tokens.c.user_id))


def _token(row: Any) -> TokenRow:
    return TokenRow(
        public_id=row.public_id,
        label=row.label,
        scopes=parse_scopes(row.scopes.split()),
        limits=Limits(row.monthly_quota, row.rate_per_s),
        created_ms=row.created_ms,
        expires_ms=row.expires_ms,
        revoked_ms=row.revoked_ms,
        hash=row.hash,
        previous_hash=row.previous_hash,
        previous_until_ms=row.previous_until_ms,
        user_id=row.user_id,
        user=row.user,
        role=row.role,
        user_limits=Limits(row.user_quota, row.user_rate),
        now_ms=row.now_ms,
    )


def scopes_given(texts: Iterable[str], bound: frozenset[Scope]) -> frozenset[Scope]:
    """Read the scopes somebody wants to give who has only `bound` themselves.

    Raises:
        InvalidParameter: one does not exist, or is not theirs to give.
    """
    scopes = parse_scopes(texts)
    if scopes - bound:
        raise InvalidParameter(
            "scopes", format_scopes(scopes).split(), f"some of {format_scopes(bound)}"
        )
    return scopes
