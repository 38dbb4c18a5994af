"""The outbox: what changed and is not yet in Elasticsearch.

A row is written in the transaction of the row it announces. The relay deletes it when
Elasticsearch confirmed the document and nobody announced it again meanwhile. A random stamp,
drawn with every announcement, tells it from all others of its key, whatever the clocks say.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, literal_column, or_, select
from sqlalchemy.dialects import mysql, sqlite

from market.interval import Interval
from market.store import tables as t
from market.store.symbols import Series
from market.store.upsert import upsert

_SEPARATOR = "|"
_LARGEST_STAMP = 2**63 - 1


class Announcement(NamedTuple):
    """One changed document: its index (without prefix), its key, and when it changed.

    `stamp` (63 bits, random) is this announcement's own; 0 stands for one made before there
    were stamps.
    """

    index_name: str
    key: str
    changed_at_ms: int
    stamp: int


def kline_key(series: Series, open_time_ms: int) -> str:
    """Return the key of a kline: `BTCUSDT|1h|1718668800000`."""
    return _SEPARATOR.join((series.symbol, series.interval.value, str(open_time_ms)))


def parse_kline_key(key: str) -> tuple[str, Interval, int]:
    """Return symbol, interval and open time of a kline's key."""
    symbol, interval, open_time_ms = key.split(_SEPARATOR)
    return symbol, Interval.parse(interval), int(open_time_ms)


def announce(connection: Connection, index: str, keys: Sequence[str], changed_at_ms: int) -> None:
    """Announce changed documents; `changed_at_ms` grows while a key waits."""
    if not keys:
        return
    told = {"index": index, "changed_at_ms": changed_at_ms, "stamp": _draw_stamp()}
    rows = [{**told, "key": key} for key in keys]
    # A literal 1: the driver's executemany rewrites VALUES and knows no parameter behind it.
    bumped = t.outbox.c.changed_at_ms + literal_column("1")
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(t.outbox)
        later = func.max(lite.excluded.changed_at_ms, bumped)
        connection.execute(
            lite.on_conflict_do_update(
                index_elements=["index", "key"],
                set_={"changed_at_ms": later, "stamp": lite.excluded.stamp},
            ),
            rows,
        )
        return
    statement = mysql.insert(t.outbox)
    latest = func.greatest(statement.inserted.changed_at_ms, bumped)
    again = statement.on_duplicate_key_update(changed_at_ms=latest, stamp=statement.inserted.stamp)
    connection.execute(again, rows)


def _draw_stamp() -> int:
    return secrets.randbelow(_LARGEST_STAMP) + 1


def read_outbox(connection: Connection, limit: int) -> list[Announcement]:
    """Return the oldest announcements."""
    o = t.outbox.c
    query = (
        select(o.index, o.key, o.changed_at_ms, o.stamp)
        .order_by(o.changed_at_ms, o.key)
        .limit(limit)
    )
    return [Announcement(*row) for row in connection.execute(query)]


def confirm(connection: Connection, delivered: Sequence[Announcement]) -> int:
    """Delete announcements that nobody repeated since they were read; return how many."""
    deleted = 0
    for start in range(0, len(delivered), 500):
        o = t.outbox.c
        same = [
            and_(
                o.index == a.index_name,
                o.key == a.key,
                o.changed_at_ms == a.changed_at_ms,
                o.stamp == a.stamp,
            )
            for a in delivered[start : start + 500]
        ]
        deleted += connection.execute(t.outbox.delete().where(or_(*same))).rowcount
    return deleted


def bury(connection: Connection, letter: Announcement, reason: str, failed_at_ms: int) -> None:
    """Move an announcement that Elasticsearch refused for good to the dead letters."""
    row = {
        "index": letter.index_name,
        "key": letter.key,
        "reason": reason,
        "failed_at_ms": failed_at_ms,
        "stamp": letter.stamp,
    }
    upsert(connection, t.dead_letters, [row], key=("index", "key"))
    confirm(connection, [letter])


def read_dead_letters(connection: Connection, limit: int = 1000) -> list[tuple[str, str, str, int]]:
    """Return (index, key, reason, failed_at_ms) of the dead letters, newest first."""
    d = t.dead_letters.c
    query = (
        select(d.index, d.key, d.reason, d.failed_at_ms)
        .order_by(d.failed_at_ms.desc(), d.key)
        .limit(limit)
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]


def retry_dead_letters(
    connection: Connection, letters: Sequence[tuple[str, str]], changed_at_ms: int
) -> int:
    """Announce dead letters, given as (index, key), once more; return how many there were."""
    for index in sorted({index for index, _ in letters}):
        keys = [key for name, key in letters if name == index]
        announce(connection, index, keys, changed_at_ms)
    return drop_dead_letters(connection, letters)


def drop_dead_letters(connection: Connection, letters: Sequence[tuple[str, str]]) -> int:
    """Forget dead letters, given as (index, key); return how many there were."""
    d = t.dead_letters.c
    dropped = 0
    for start in range(0, len(letters), 500):
        these = [and_(d.index == i, d.key == k) for i, k in letters[start : start + 500]]
        dropped += connection.execute(t.dead_letters.delete().where(or_(*these))).rowcount
    return dropped


def outbox_depth(connection: Connection) -> tuple[int, int | None, int]:
    """Return how many wait, since when the oldest waits, and how many are dead."""
    waiting, oldest = connection.execute(
        select(func.count(), func.min(t.outbox.c.changed_at_ms))
    ).one()
    dead = connection.execute(select(func.count()).select_from(t.dead_letters)).scalar_one()
    return waiting, oldest, dead
