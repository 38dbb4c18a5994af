"""Users in the store: people who sign in on the web page, each with a role."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from market.access.audit import Actor, write_audit
from market.access.lockout import clear_failures, user_subject
from market.access.passwords import check_password, hash_password
from market.access.principal import Limits
from market.access.scopes import Role, parse_role
from market.access.token_store import check_limits
from market.errors import Conflict, InvalidParameter, NotFound
from market.store import access_tables as t
from market.store.database_clock import now_of

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in; times in ms of the database's clock."""

    id: int
    name: str
    role: Role
    limits: Limits
    created_ms: int
    changed_ms: int


def parse_user_name(text: str) -> str:
    """Return a user's name as it is kept: in small letters.

    Raises:
        InvalidParameter: it can't be a name.
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            "user",
            text[:80],
            "up to 64 letters, digits and ._@+- that begin with a letter or digit",
        )
    return name


def new_password(password: str, name: str) -> str:
    """Return the hash of a user's new password. It takes a while: not within a transaction.

    Raises:
        InvalidParameter: the name or the password is not valid.
    """
    check_password(password, parse_user_name(name))
    return hash_password(password)


def create_user(
    connection: Connection, name: str, role: Role, password: str, limits: Limits, actor: Actor
) -> User:
    """Add a user; `password` is the hash of it, see `new_password`.

    Raises:
        Conflict: there is one of that name.
        InvalidParameter: the name or a limit is not valid.
    """
    name = parse_user_name(name)
    check_limits(limits)
    row = {
        "name": name,
        "role": role,
        "password": password,
        "monthly_quota": limits.monthly_quota,
        "rate_per_s": limits.rate_per_s,
        "created_ms": now_of(connection),
        "changed_ms": now_of(connection),
    }
    try:
        connection.execute(t.users.insert().values(row))
    except IntegrityError:
        raise Conflict(f"user {name!r} exists already") from None
    detail = {
        "role": role, "monthly_quota": limits.monthly_quota, "rate_per_s": limits.rate_per_s,
    }  # fmt: skip
    write_audit(connection, actor, "user.create", f"user {name}", detail)
    return read_user(connection, name)


def change_role(connection: Connection, name: str, role: Role, actor: Actor) -> User:
    """Give a user another role; their tokens never do more than it.

    Raises:
        NotFound: there is no such user.
    """
    user = read_user(connection, name)
    _change(connection, user, {"role": role})
    write_audit(
        connection, actor, "user.role", f"user {user.name}", {"from": user.role, "to": role}
    )
    return read_user(connection, name)


def change_limits(connection: Connection, name: str, limits: Limits, actor: Actor) -> User:
    """Give a user other limits.

    Raises:
        NotFound: there is no such user.
    """
    check_limits(limits)
    user = read_user(connection, name)
    values = {"monthly_quota": limits.monthly_quota, "rate_per_s": limits.rate_per_s}
    _change(connection, user, values)
    write_audit(connection, actor, "user.limits", f"user {user.name}", values)
    return read_user(connection, name)


def change_password(connection: Connection, name: str, password: str, actor: Actor) -> None:
    """Give a user another password, by its hash: their sessions end, and a lock-out of them does.

    Raises:
        NotFound: there is no such user.
    """
    user = read_user(connection, name)
    _change(connection, user, {"password": password})
    connection.execute(t.sessions.delete().where(t.sessions.c.user_id == user.id))
    clear_failures(connection, user_subject(user.name))
    write_audit(connection, actor, "user.password", f"user {user.name}")


def remove_user(connection: Connection, name: str, actor: Actor) -> None:
    """Remove a user: their sessions end, their tokens are revoked.

    Raises:
        NotFound: there is no such user.
    """
    user, c = read_user(connection, name), t.api_tokens.c
    now = now_of(connection)
    own = t.api_tokens.update().where(c.user_id == user.id)
    connection.execute(own.where(c.revoked_ms.is_(None)).values(revoked_ms=now))
    connection.execute(own.values(user_id=None))
    connection.execute(t.sessions.delete().where(t.sessions.c.user_id == user.id))
    connection.execute(t.users.delete().where(t.users.c.id == user.id))
    write_audit(connection, actor, "user.remove", f"user {user.name}", {"role": user.role})


def read_user(connection: Connection, name: str) -> User:
    """Return a user.

    Raises:
        NotFound: there is none of that name.
    """
    user = _find(connection, parse_user_name(name))
    if user is None:
        raise NotFound(f"user {name!r} does not exist")
    return user


def read_users(connection: Connection, limit: int, *, after: str = "") -> list[User]:
    """Return users by name; `after` is the name that ended the page before."""
    query = select(t.users).where(t.users.c.name > after).order_by(t.users.c.name).limit(limit)
    return [_user(row) for row in connection.execute(query)]


def _find(connection: Connection, name: str) -> User | None:
    row = connection.execute(select(t.users).where(t.users.c.name == name)).one_or_none()
    return None if row is None else _user(row)


def _change(connection: Connection, user: User, values: dict[str, Any]) -> None:
    now = now_of(connection)
    row = t.users.update().where(t.users.c.id == user.id)
    connection.execute(row.values({**values, "changed_ms": now}))


def _user(row: Any) -> User:
    limits = Limits(row.monthly_quota, row.rate_per_s)
    return User(row.id, row.name, parse_role(row.role), limits, row.created_ms, row.changed_ms)
