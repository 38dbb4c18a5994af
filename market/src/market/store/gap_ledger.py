"""The gap ledger: missing ranges, their causes, when they were seen and resolved."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, and_, select

from market.gaps import Cause, Gap
from market.store import tables as t
from market.store.symbols import Series


def lock_series(connection: Connection, series: Series) -> None:
    """Let writers of one symbol's ledger and watermarks wait for each other.

    The lock is held to the transaction's end. SQLite needs none: it has one writer.
    """
    query = select(t.symbols.c.id).where(t.symbols.c.id == series.symbol_id)
    connection.execute(query.with_for_update())


def write_gaps(
    connection: Connection, series: Series, span: tuple[int, int], found: Iterable[Gap], now_ms: int
) -> None:
    """Make the ledger say that exactly `found` is missing inside the half-open `span`.

    Open entries inside the span that are no longer found are resolved, new ones are added,
    the rest is left as it is. Entries that reach out of the span are not touched.
    """
    g = t.gaps.c
    of_series = and_(g.symbol_id == series.symbol_id, g.interval_id == series.interval.number)
    inside = and_(of_series, g.start_ms >= span[0], g.end_ms <= span[1], g.resolved_ms.is_(None))
    open_rows = connection.execute(select(g.id, g.start_ms, g.end_ms, g.cause).where(inside))
    known = {Gap(row.start_ms, row.end_ms, Cause(row.cause)): row.id for row in open_rows}
    wanted = set(found)
    gone = [row_id for gap, row_id in known.items() if gap not in wanted]
    if gone:
        connection.execute(t.gaps.update().where(g.id.in_(gone)).values(resolved_ms=now_ms))
    fresh = [
        {
            "symbol_id": series.symbol_id,
            "interval_id": series.interval.number,
            "start_ms": gap.start_ms,
            "end_ms": gap.end_ms,
            "cause": gap.cause.value,
            "first_seen_ms": now_ms,
        }
        for gap in sorted(wanted - known.keys())
    ]
    if fresh:
        connection.execute(t.gaps.insert(), fresh)


def read_gaps(
    connection: Connection, series: Series, start_ms: int | None, end_ms: int | None
) -> list[Gap]:
    """Return the unresolved gaps that touch [start_ms, end_ms), ascending."""
    g = t.gaps.c
    query = select(g.start_ms, g.end_ms, g.cause).where(
        g.symbol_id == series.symbol_id,
        g.interval_id == series.interval.number,
        g.resolved_ms.is_(None),
    )
    if start_ms is not None:
        query = query.where(g.end_ms > start_ms)
    if end_ms is not None:
        query = query.where(g.start_ms < end_ms)
    rows = connection.execute(query.order_by(g.start_ms))
    return [Gap(row.start_ms, row.end_ms, Cause(row.cause)) for row in rows]
