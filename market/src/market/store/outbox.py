"""The outbox: what changed and is not yet in Elasticsearch.

A row is written in the transaction of the row it announces. The relay deletes it when
Elasticsearch confirmed the document and nobody announced it again meanwhile. A random stamp,
drawn with every announcement, tells it from all others of its key, whatever the clocks say.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, func, literal_column, or_, select
from sqlalchemy.dialects import mysql, sqlite

from market.interval import Interval
from market.store import tables as t
from market.store.symbols import Series
from market.store.upsert import insert_absent

_SEPARATOR = "|"
_LARGEST_STAMP = 2**63 - 1
#: Keys in one statement.
_SLICE = 500


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


def confirm(connection: Connection, delivered: Sequence[Announcement]) -> list[Announcement]:
    """Delete announcements that are still as they were read, and dead letters of their keys.

    Returns those it deleted. The others were announced again, and wait, or another relay
    was quicker.
    """
    confirmed: list[Announcement] = []
    for start in range(0, len(delivered), _SLICE):
        confirmed += _confirm_slice(connection, delivered[start : start + _SLICE])
    return confirmed


def _confirm_slice(connection: Connection, delivered: Sequence[Announcement]) -> list[Announcement]:
    o = t.outbox.c
    named = select(o.index, o.key, o.changed_at_ms, o.stamp).where(
        _keyed(t.outbox, [(a.index_name, a.key) for a in delivered])
    )
    # Locked, so that nobody can announce one of them again before it is deleted.
    present = {Announcement(*row) for row in connection.execute(named.with_for_update())}
    same = [announcement for announcement in delivered if announcement in present]
    if same:
        keys = [(a.index_name, a.key) for a in same]
        connection.execute(t.outbox.delete().where(_keyed(t.outbox, keys)))
        # What is delivered after all is dead no longer.
        connection.execute(t.dead_letters.delete().where(_keyed(t.dead_letters, keys)))
    return same


def _keyed(table: Table, keys: Sequence[tuple[str, str]]) -> ColumnElement[bool]:
    c = table.c
    return or_(*(and_(c.index == index, c.key == key) for index, key in keys))


def announce_absent(connection: Connection, announcements: Sequence[Announcement]) -> None:
    """Announce once more those of which no announcement waits."""
    rows = [
        {
            "index": announcement.index_name,
            "key": announcement.key,
            "changed_at_ms": announcement.changed_at_ms,
            "stamp": _draw_stamp(),
        }
        for announcement in announcements
    ]
    if rows:
        insert_absent(connection, t.outbox, rows)


class DeadLetter(NamedTuple):
    """An announcement that Elasticsearch refused for good, with its stamp, why and when."""

    index_name: str
    key: str
    reason: str
    failed_at_ms: int
    stamp: int


def bury(connection: Connection, letter: Announcement, reason: str, failed_at_ms: int) -> bool:
    """Move an announcement that Elasticsearch refused for good to the dead letters.

    Returns whether it did: one that is not as it was read any more is left alone.
    """
    if not confirm(connection, [letter]):
        return False
    row = {
        "index": letter.index_name,
        "key": letter.key,
        "reason": reason,
        "failed_at_ms": failed_at_ms,
        "stamp": letter.stamp,
    }
    connection.execute(t.dead_letters.insert().values(row))
    return True


def read_dead_letters(connection: Connection, limit: int | None = None) -> list[DeadLetter]:
    """Return the dead letters, newest first."""
    d = t.dead_letters.c
    query = (
        select(d.index, d.key, d.reason, d.failed_at_ms, d.stamp)
        .order_by(d.failed_at_ms.desc(), d.key)
        .limit(limit)
    )
    return [DeadLetter(*row) for row in connection.execute(query)]


def retry_dead_letters(
    connection: Connection, letters: Sequence[DeadLetter], changed_at_ms: int
) -> int:
    """Announce dead letters once more; return how many there were."""
    for index in sorted({letter.index_name for letter in letters}):
        keys = [letter.key for letter in letters if letter.index_name == index]
        announce(connection, index, keys, changed_at_ms)
    return drop_dead_letters(connection, letters)


def drop_dead_letters(connection: Connection, letters: Sequence[DeadLetter]) -> int:
    """Forget dead letters that are still as they were read; return how many there were."""
    d = t.dead_letters.c
    dropped = 0
    for start in range(0, len(letters), _SLICE):
        these = [
            and_(d.index == letter.index_name, d.key == letter.key, d.stamp == letter.stamp)
            for letter in letters[start : start + _SLICE]
        ]
        dropped += connection.execute(t.dead_letters.delete().where(or_(*these))).rowcount
    return dropped


def outbox_depth(connection: Connection) -> tuple[int, int | None, int]:
    """Return how many wait, since when the oldest waits, and how many are dead."""
    waiting, oldest = connection.execute(
        select(func.count(), func.min(t.outbox.c.changed_at_ms))
    ).one()
    dead = connection.execute(select(func.count()).select_from(t.dead_letters)).scalar_one()
    return waiting, oldest, dead
