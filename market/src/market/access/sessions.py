"""Sessions in the store: who signed in on the web page, until when. Only digests are kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, or_, select

from market.access.principal import Limits
from market.access.scopes import Role, parse_role
from market.access.tokens import digest_of
from market.store import access_tables as t
from market.store.database_clock import now_of

_BYTES = 32
LONGEST = 64
#: A session's row is written again when it was last seen longer ago than this.
_SEEN_AGAIN_MS = 30_000


class SessionSecret(NamedTuple):
    """What a signed-in browser holds in its cookie."""

    text: str

    @property
    def digest(self) -> str:
        """What is stored of it."""
        return digest_of(self.text)

    @property
    def csrf_token(self) -> str:
        """What the page sends beside the cookie, and no other site knows: derived, not stored."""
        return hmac.new(self.text.encode(), b"klinecast csrf", hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "SessionSecret(***)"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """When sessions end: so long after their last request, and so long after their first."""

    idle_s: int
    life_s: int


@dataclass(frozen=True, slots=True)
class Session:
    """A session that lasts; times in ms of the database's clock."""

    user_id: int
    user: str
    role: Role
    limits: Limits
    seen_ms: int
    ends_ms: int
    now_ms: int

    @property
    def is_stale(self) -> bool:
        """Whether it is time to write down that it was seen."""
        return self.now_ms - self.seen_ms > _SEEN_AGAIN_MS


def create_session(
    connection: Connection, user_id: int, address: str, limits: SessionLimits
) -> SessionSecret:
    """Begin a session, of a secret nobody had before; forget those that have ended."""
    made, now = SessionSecret(secrets.token_urlsafe(_BYTES)), now_of(connection)
    connection.execute(t.sessions.delete().where(_ended(connection, limits)))
    row = {
        "hash": made.digest,
        "user_id": user_id,
        "address": address[:64],
        "created_ms": now,
        "seen_ms": now,
        "expires_ms": now + limits.life_s * 1_000,
    }
    connection.execute(t.sessions.insert().values(row))
    return made


def read_session(connection: Connection, digest: str, limits: SessionLimits) -> Session | None:
    """Return a session that lasts, `None` where there is none."""
    c, u, now = t.sessions.c, t.users.c, now_of(connection)
    query = (
        select(c.expires_ms, c.seen_ms, u.id, u.name, u.role, u.monthly_quota, u.rate_per_s)
        .add_columns(now.label("now_ms"))
        .select_from(t.sessions.join(t.users, u.id == c.user_id))
        .where(c.hash == digest, ~_ended(connection, limits))
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    ends_ms = min(row.expires_ms, row.seen_ms + limits.idle_s * 1_000)
    quota = Limits(row.monthly_quota, row.rate_per_s)
    return Session(row.id, row.name, parse_role(row.role), quota, row.seen_ms, ends_ms, row.now_ms)


def prolong_session(connection: Connection, digest: str) -> None:
    """Write down that a session was seen just now."""
    own = t.sessions.update().where(t.sessions.c.hash == digest)
    connection.execute(own.values(seen_ms=now_of(connection)))


def end_session(connection: Connection, digest: str) -> None:
    """End a session; one that has ended already stays so."""
    connection.execute(t.sessions.delete().where(t.sessions.c.hash == digest))


def _ended(connection: Connection, limits: SessionLimits) -> ColumnElement[bool]:
    c, now = t.sessions.c, now_of(connection)
    return or_(c.expires_ms <= now, c.seen_ms <= now - limits.idle_s * 1_000)
