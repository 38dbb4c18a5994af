"""The audit log: who did what to whom, from where. Rows are only ever added, with no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, select

from market.store import access_tables as t
from market.store.database_clock import now_of

Detail = Mapping[str, str | int | list[str] | None]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the log names them, and the address they act from."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action: `subject` is what it was done to, such as `token ID` or `user NAME`."""

    id: int
    at_ms: int
    actor: str
    address: str
    action: str
    subject: str
    detail: Mapping[str, object]


def write_audit(
    connection: Connection, actor: Actor, action: str, subject: str, detail: Detail | None = None
) -> None:
    """Add an entry, in the transaction of what it tells of."""
    row = {
        "at_ms": now_of(connection),
        "actor": actor.name[:80],
        "address": actor.address[:64],
        "action": action,
        "subject": subject[:80],
        "detail": orjson.dumps(detail or {}).decode(),
    }
    connection.execute(t.audit.insert().values(row))


def read_audit(
    connection: Connection, limit: int, *, before: int | None = None, subject: str | None = None
) -> list[AuditEntry]:
    """Return entries, newest first; `before` is the id that ended the page before."""
    c = t.audit.c
    query = select(t.audit).order_by(c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(c.id < before)
    if subject is not None:
        query = query.where(c.subject == subject)
    return [
        AuditEntry(
            row.id, row.at_ms, row.actor, row.address, row.action, row.subject,
            orjson.loads(row.detail),
        )
        for row in connection.execute(query)
    ]  # fmt: skip
