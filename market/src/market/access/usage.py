"""What accounts use, in the store: requests are counted there in one statement, for every worker.

The rate is a bucket that holds a second's worth of requests and fills at the rate. It is kept as
one number, the moment from which it would be full again (the generic cell rate algorithm), so
that taking from it is a comparison and an addition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, bindparam, case, select, true

from market.access.principal import Account, Limits
from market.store import access_tables as t
from market.store.database_clock import now_of, now_us, this_month
from market.store.engine import Store
from market.store.upsert import insert_absent

_SECOND_US = 1_000_000
_EMPTY = {"month": 0, "used": 0, "free_at_us": 0, "changed_ms": 0}


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account has used at a moment of the database's clock.

    Attributes:
        used: requests in the running month.
        owed_us: microseconds until its bucket is full again.
        month_left_s: seconds until the next month.
    """

    used: int
    owed_us: int
    month_left_s: int

    def left_of_quota(self, limits: Limits) -> int | None:
        """Return the requests left in this month, `None` without a quota."""
        return None if limits.monthly_quota is None else max(0, limits.monthly_quota - self.used)

    def left_of_second(self, limits: Limits) -> int | None:
        """Return the requests that may be made at once, `None` without a rate."""
        if limits.rate_per_s is None:
            return None
        return max(0, (_SECOND_US - self.owed_us) * limits.rate_per_s // _SECOND_US)

    def wait_s(self, limits: Limits) -> float:
        """Return after how many seconds a request that was refused may be made."""
        if self.left_of_quota(limits) == 0:
            return float(self.month_left_s)
        if limits.rate_per_s is None:
            return 0.0
        return max(0, self.owed_us + _cost_us(1, limits.rate_per_s) - _SECOND_US) / _SECOND_US


def take_requests(store: Store, account: Account, count: int) -> tuple[bool, Usage]:
    """Count requests where all of them are within the limits; tell whether, and what is used now.

    Raises:
        StoreUnavailable: the database does not answer; nothing was counted.
    """

    def work(connection: Connection) -> tuple[bool, Usage]:
        taken = _take(connection, account, count)
        usage = read_usage(connection, account.key)
        if usage is None:
            empty = {
                "account": account.key,
                "month": 0,
                "used": 0,
                "free_at_us": 0,
                "changed_ms": 0,
            }
            insert_absent(connection, t.api_usage, [empty])
            taken = _take(connection, account, count)
            usage = read_usage(connection, account.key)
        return taken, usage or Usage(0, 0, 0)

    return store.transact(work)


def _take(connection: Connection, account: Account, count: int) -> bool:
    is_sqlite = connection.dialect.name == "sqlite"
    c, limits = t.api_usage.c, account.limits
    month, now = this_month(is_sqlite=is_sqlite), now_us(is_sqlite=is_sqlite)
    used = case((c.month == month, c.used), else_=0) + count
    within = true() if limits.monthly_quota is None else used <= limits.monthly_quota
    free_at: ColumnElement[int] = c.free_at_us
    if limits.rate_per_s is not None:
        start = case((c.free_at_us > now, c.free_at_us), else_=now)
        free_at = start + _cost_us(count, limits.rate_per_s)
        within = and_(within, free_at <= now + _SECOND_US)
    # MySQL evaluates from left to right with what it has just set: the month comes after.
    statement = (
        t.api_usage.update()
        .where(c.account == account.key, within)
        .ordered_values(
            (c.used, used), (c.free_at_us, free_at), (c.month, month),
            (c.changed_ms, now_of(connection)),
        )
    )  # fmt: skip
    return connection.execute(statement).rowcount == 1


def month_left_s(now_s: int) -> int:
    """Return the seconds from a moment (UTC epoch) to the next month of UTC, rounded up."""
    now = datetime.fromtimestamp(now_s, UTC)
    year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    return math.ceil(datetime(year, month, 1, tzinfo=UTC).timestamp() - now_s)


def _cost_us(count: int, rate_per_s: int) -> int:
    return count * _SECOND_US // rate_per_s


def write_requests(store: Store, counts: dict[str, int]) -> None:
    """Add to what accounts used without asking for limits; a negative count gives back.

    Raises:
        StoreUnavailable: the database does not answer; nothing was counted.
    """
    c = t.api_usage.c

    def work(connection: Connection) -> None:
        is_sqlite = connection.dialect.name == "sqlite"
        month = this_month(is_sqlite=is_sqlite)
        empty = {"month": 0, "used": 0, "free_at_us": 0, "changed_ms": 0}
        insert_absent(
            connection, t.api_usage, [{"account": key, **empty} for key in sorted(counts)]
        )
        used = case((c.month == month, c.used), else_=0) + bindparam("more", type_=BigInteger())
        statement = (
            t.api_usage.update()
            .where(c.account == bindparam("key"))
            .ordered_values(
                # What is given back may be of the month before.
                (c.used, case((used < 0, 0), else_=used)),
                (c.month, month),
                (c.changed_ms, now_of(connection)),
            )
        )
        rows = [{"key": key, "more": more} for key, more in sorted(counts.items())]
        connection.execute(statement, rows)

    store.transact(work)


def read_usage(connection: Connection, key: str) -> Usage | None:
    """Return what an account has used, `None` where it never was."""
    return read_usages(connection, [key]).get(key)


def read_usages(connection: Connection, keys: list[str]) -> dict[str, Usage]:
    """Return what accounts have used, of those that ever used something."""
    is_sqlite = connection.dialect.name == "sqlite"
    c, now = t.api_usage.c, now_us(is_sqlite=is_sqlite)
    query = select(
        c.account,
        case((c.month == this_month(is_sqlite=is_sqlite), c.used), else_=0).label("used"),
        case((c.free_at_us > now, c.free_at_us - now), else_=0).label("owed_us"),
        now.label("now_us"),
    ).where(c.account.in_(keys))
    return {
        row.account: Usage(int(row.used), int(row.owed_us), month_left_s(row.now_us // _SECOND_US))
        for row in connection.execute(query)
    }
