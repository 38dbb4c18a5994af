"""Signing in: a password for a session, the same answer and time for whatever is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from market.access.audit import Actor, write_audit
from market.access.lockout import (
    address_subject,
    clear_failures,
    count_attempt,
    forget_old_failures,
    strike_attempt,
    user_subject,
)
from market.access.passwords import hash_password, is_outdated, is_password
from market.access.sessions import SessionLimits, SessionSecret, create_session, end_session
from market.errors import Unauthorized
from market.log import get_logger
from market.store import access_tables as t
from market.store.engine import Store

log = get_logger()

_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try to sign in.

    Attributes:
        address: where it comes from.
        replaces: the session the browser had before, which ends.
    """

    name: str
    password: str = field(repr=False)
    address: str
    replaces: SessionSecret | None = None


@dataclass(frozen=True, slots=True)
class _Account:
    id: int
    password: str = field(repr=False)


def sign_in(store: Store, attempt: Attempt, limits: SessionLimits) -> SessionSecret:
    """Begin a session for whoever knows a user's password. It takes a while, and 64 MiB.

    Raises:
        Unauthorized: the user does not exist, or the password is wrong.
        TooManyRequests: there were too many wrong ones, of this name or from this address.
    """
    user, address = attempt.name.strip().lower()[:_LONGEST_NAME], attempt.address
    account = store.transact(lambda connection: _count(connection, user, address))
    stored = None if account is None else account.password
    if not is_password(attempt.password, stored) or account is None:
        # Not the name: it may well be a password in the wrong field.
        log.warning("sign_in_failed", address=address)
        raise Unauthorized("the user or the password is wrong")
    renewed = hash_password(attempt.password) if is_outdated(account.password) else None

    def begin(connection: Connection) -> SessionSecret:
        clear_failures(connection, user_subject(user))
        strike_attempt(connection, address_subject(address))
        if renewed is not None:
            own = t.users.update().where(t.users.c.id == account.id)
            connection.execute(own.values(password=renewed))
        if attempt.replaces is not None:
            end_session(connection, attempt.replaces.digest)
        actor = Actor(f"user {user}", address)
        write_audit(connection, actor, "session.start", actor.name)
        return create_session(connection, account.id, address, limits)

    return store.transact(begin)


def _count(connection: Connection, user: str, address: str) -> _Account | None:
    forget_old_failures(connection)
    count_attempt(connection, user_subject(user))
    count_attempt(connection, address_subject(address))
    c = t.users.c
    row = connection.execute(select(c.id, c.password).where(c.name == user)).one_or_none()
    return None if row is None else _Account(row.id, row.password)
