"""Wrong passwords in the store, so that a lock-out holds in every worker.

An attempt is written down as failed before the password is looked at, and struck out when it
was right: guesses that are made at once count like guesses made one by one. Names that no user
has are counted like any other.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

from sqlalchemy import Connection, Update, case, select

from market.errors import TooManyRequests
from market.store import access_tables as t
from market.store.database_clock import now_of
from market.store.upsert import insert_absent

#: Wrong passwords of one name, or of one address, that cost no wait.
FREE_OF_NAME = 5
FREE_OF_ADDRESS = 25
#: Each further one doubles the wait, from a second to this.
LONGEST_WAIT_MS = 900_000
#: Without a further one for so long, they are forgotten.
_FORGET_MS = 86_400_000
#: 1, 2, 4 ... 512 s; the next one would be beyond the longest wait.
_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Subject:
    """What wrong passwords are counted of; nothing in the store tells which name it was."""

    digest: str
    free: int


def user_subject(name: str) -> Subject:
    """Return the subject of a user's name."""
    return Subject(_digest(f"user {name}"), FREE_OF_NAME)


def address_subject(address: str) -> Subject:
    """Return the subject of an address; of IPv6 the network, of which one has many addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return Subject(_digest(f"from {address}"), FREE_OF_ADDRESS)
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        network = ipaddress.ip_network((parsed, 64), strict=False)
        return Subject(_digest(f"from {network}"), FREE_OF_ADDRESS)
    return Subject(_digest(f"from {parsed}"), FREE_OF_ADDRESS)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def count_attempt(connection: Connection, subject: Subject) -> None:
    """Write an attempt down as failed.

    Raises:
        TooManyRequests: the subject has to wait; nothing was written.
    """
    attempt = _attempt(connection, subject)
    if connection.execute(attempt).rowcount == 1:
        return
    row = {"subject": subject.digest, "failures": 0, "blocked_until_ms": 0, "changed_ms": 0}
    insert_absent(connection, t.sign_in_failures, [row])
    if connection.execute(attempt).rowcount == 1:
        return
    c = t.sign_in_failures.c
    left = select(c.blocked_until_ms - now_of(connection)).where(c.subject == subject.digest)
    wait_s = max(1.0, (connection.execute(left).scalar_one_or_none() or 0) / 1_000)
    raise TooManyRequests(
        "too many wrong passwords",
        retry_after_s=wait_s,
        hint="Wait, or have `klinecast-history users password` set a new one.",
    )


def _attempt(connection: Connection, subject: Subject) -> Update:
    c, now = t.sign_in_failures.c, now_of(connection)
    failures = case((c.changed_ms < now - _FORGET_MS, 0), else_=c.failures)
    beyond = failures + 1 - subject.free
    waits = [(beyond == n, 1_000 << (n - 1)) for n in range(1, _DOUBLINGS + 1)]
    wait_ms = case((beyond < 1, 0), *waits, else_=LONGEST_WAIT_MS)
    # MySQL evaluates from left to right with what it has just set: what others read comes last.
    return (
        t.sign_in_failures.update()
        .where(c.subject == subject.digest, c.blocked_until_ms <= now)
        .ordered_values(
            (c.blocked_until_ms, now + wait_ms), (c.failures, failures + 1), (c.changed_ms, now)
        )
    )


def clear_failures(connection: Connection, subject: Subject) -> None:
    """Forget every wrong password of a subject."""
    c = t.sign_in_failures.c
    connection.execute(t.sign_in_failures.delete().where(c.subject == subject.digest))


def strike_attempt(connection: Connection, subject: Subject) -> None:
    """Take back an attempt that was right; what was wrong before it still counts."""
    c = t.sign_in_failures.c
    row = t.sign_in_failures.update().where(c.subject == subject.digest, c.failures > 0)
    connection.execute(row.values(failures=c.failures - 1, blocked_until_ms=0))


def forget_old_failures(connection: Connection) -> None:
    """Delete what is too old to count."""
    c = t.sign_in_failures.c
    old = c.changed_ms < now_of(connection) - _FORGET_MS
    connection.execute(t.sign_in_failures.delete().where(old))
