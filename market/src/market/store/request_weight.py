"""The installation's one budget of request weight, shared by every process of it.

A row a venue holds what was used in the venue's running minute. Which minute that is, and
what time it is, the caller says: both are the exchange's own wall clock (epoch ms), never
that of the klines, which hurries in a demo.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, case, or_, select

from market.store import tables as t
from market.store.engine import Store
from market.store.upsert import upsert

_MINUTE_MS = 60_000
#: Until exchangeInfo told the limit. Source: binance-spot-api-docs, since 2023-08-25.
DEFAULT_LIMIT = 6_000


class Claim(NamedTuple):
    """Weight that a process wants to use.

    Attributes:
        window_ms: when the running minute began.
        weight: how much is wanted.
        seen: what the exchange itself counted in that minute; others of this address are in it.
        share: the fraction of the limit that may be used, in (0, 1].
        now_ms: the time, on the same clock as `window_ms`.
    """

    window_ms: int
    weight: int
    seen: int
    share: float
    now_ms: int


class Weight(NamedTuple):
    """What the store knows of a venue's weight.

    `banned_until_ms`: nobody sends before then; a ban, or a wait the exchange asked for.
    """

    window_ms: int = 0
    used: int = 0
    limit_1m: int = DEFAULT_LIMIT
    banned_until_ms: int | None = None


def reserve_weight(store: Store, venue: str, claim: Claim) -> tuple[bool, Weight]:
    """Reserve weight in one statement; return whether there was enough, and what is known now.

    Nothing is reserved while banned. What the exchange counted raises what is used.

    Raises:
        StoreUnavailable: the database does not answer; nothing was reserved.
    """

    def work(connection: Connection) -> tuple[bool, Weight]:
        reserved = _reserve(connection, venue, claim)
        known = read_weight(connection, venue)
        if known is None:
            _add_venue(connection, venue, claim.now_ms)
            reserved = _reserve(connection, venue, claim)
            known = read_weight(connection, venue)
        return reserved, known or Weight()

    return store.transact(work)


def _reserve(connection: Connection, venue: str, claim: Claim) -> bool:
    w = t.request_weight.c
    # Clocks of processes differ by less than a minute: a later one comes of a clock that
    # was wrong, and would be waited for as long as it was.
    is_new = or_(w.window_ms < claim.window_ms, w.window_ms > claim.window_ms + _MINUTE_MS)
    counts_less = and_(w.window_ms == claim.window_ms, w.used < claim.seen)
    used = case((or_(is_new, counts_less), claim.seen), else_=w.used) + claim.weight
    enough = used <= w.limit_1m * claim.share
    free = or_(w.banned_until_ms.is_(None), w.banned_until_ms <= claim.now_ms)
    # MySQL evaluates from left to right with what it has just set: the window comes after.
    statement = (
        t.request_weight.update()
        .where(w.venue == venue, free, enough)
        .ordered_values(
            (w.used, used),
            (w.window_ms, case((is_new, claim.window_ms), else_=w.window_ms)),
            (w.changed_ms, claim.now_ms),
        )
    )
    return connection.execute(statement).rowcount == 1


def count_weight(store: Store, venue: str, weight: int, now_ms: int) -> Weight:
    """Count weight that is used now, and return what is known then; while banned it is not.

    For a request a minute, whatever the budget has left: others see it. It goes to the
    running minute of the one who reserves; which that is, is not this caller's to say.

    Raises:
        StoreUnavailable: the database does not answer; nothing was counted.
    """

    def work(connection: Connection) -> Weight:
        if read_weight(connection, venue) is None:
            _add_venue(connection, venue, now_ms)
        w = t.request_weight.c
        free = or_(w.banned_until_ms.is_(None), w.banned_until_ms <= now_ms)
        counted = t.request_weight.update().where(w.venue == venue, free)
        connection.execute(counted.values(used=w.used + weight, changed_ms=now_ms))
        return read_weight(connection, venue) or Weight()

    return store.transact(work)


def write_weight_used(store: Store, venue: str, window_ms: int, used: int, now_ms: int) -> None:
    """Raise what is used in a minute to what the exchange itself counted; never lower it."""
    w = t.request_weight.c
    is_less = or_(w.window_ms < window_ms, and_(w.window_ms == window_ms, w.used < used))
    values = {"used": used, "window_ms": window_ms, "changed_ms": now_ms}
    _change(store, venue, now_ms, is_less, values)


def write_weight_limit(store: Store, venue: str, limit_1m: int, now_ms: int) -> None:
    """Set the weight that the exchange allows in a minute."""
    values = {"limit_1m": limit_1m, "changed_ms": now_ms}
    _change(store, venue, now_ms, t.request_weight.c.limit_1m != limit_1m, values)


def write_ban(store: Store, venue: str, until_ms: int, now_ms: int) -> None:
    """Let nobody send before `until_ms`; an earlier end of a ban changes nothing."""
    banned = t.request_weight.c.banned_until_ms
    values = {"banned_until_ms": until_ms, "changed_ms": now_ms}
    _change(store, venue, now_ms, or_(banned.is_(None), banned < until_ms), values)


def _change(store: Store, venue: str, now_ms: int, where: Any, values: dict[str, int]) -> None:
    def work(connection: Connection) -> None:
        if read_weight(connection, venue) is None:
            _add_venue(connection, venue, now_ms)
        row = t.request_weight.c.venue == venue
        connection.execute(t.request_weight.update().where(row, where).values(values))

    store.transact(work)


def _add_venue(connection: Connection, venue: str, now_ms: int) -> None:
    row = {
        "venue": venue,
        "window_ms": 0,
        "used": 0,
        "limit_1m": DEFAULT_LIMIT,
        "banned_until_ms": None,
        "changed_ms": now_ms,
    }
    # Another process may add it at the same time: then that one's stays.
    upsert(connection, t.request_weight, [row], key=("venue",), replace=("venue",))


def read_weight(connection: Connection, venue: str) -> Weight | None:
    """Return what is known of a venue's weight, `None` before its first request."""
    w = t.request_weight.c
    query = select(w.window_ms, w.used, w.limit_1m, w.banned_until_ms).where(w.venue == venue)
    row = connection.execute(query).one_or_none()
    return None if row is None else Weight(*row)
