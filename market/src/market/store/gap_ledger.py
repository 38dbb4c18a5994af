"""The gap ledger: missing ranges, their causes, when they were seen and resolved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, and_, select

from market.gaps import Cause, Gap, join_gaps
from market.store import tables as t
from market.store.symbols import Series
from market.store.upsert import upsert


class LedgerGap(NamedTuple):
    """One entry of the ledger; `resolved_ms` is `None` while the gap is open."""

    gap: Gap
    first_seen_ms: int
    resolved_ms: int | None


def write_gaps(
    connection: Connection, series: Series, span: tuple[int, int], found: Iterable[Gap], now_ms: int
) -> None:
    """Make the ledger say that exactly `found` is missing inside the half-open `span`.

    Open entries that are no longer found are resolved, new ones are added, the rest is left
    as it is. An entry that reaches out of the span keeps its part outside; touching gaps of
    one cause become one entry.
    """
    g = t.gaps.c
    touching = and_(
        g.symbol_id == series.symbol_id,
        g.interval_id == series.interval.number,
        g.start_ms <= span[1],
        g.end_ms >= span[0],
        g.resolved_ms.is_(None),
    )
    rows = connection.execute(select(g.id, g.start_ms, g.end_ms, g.cause).where(touching))
    known = {Gap(row.start_ms, row.end_ms, Cause(row.cause)): row.id for row in rows}
    inside = [_clip(gap, *span) for gap in found if gap.start_ms < span[1] and gap.end_ms > span[0]]
    outside = [part for gap in known for part in _outside(gap, *span)]
    wanted = set(join_gaps(inside + outside))
    gone = [row_id for gap, row_id in known.items() if gap not in wanted]
    if gone:
        connection.execute(t.gaps.update().where(g.id.in_(gone)).values(resolved_ms=now_ms))
    fresh = [_row(series, gap, now_ms) for gap in sorted(wanted - known.keys())]
    if fresh:
        # An entry resolved in this very millisecond is opened again.
        key = ("symbol_id", "interval_id", "start_ms", "end_ms", "first_seen_ms")
        upsert(connection, t.gaps, fresh, key=key)


def _clip(gap: Gap, start_ms: int, end_ms: int) -> Gap:
    return Gap(max(gap.start_ms, start_ms), min(gap.end_ms, end_ms), gap.cause)


def _outside(gap: Gap, start_ms: int, end_ms: int) -> list[Gap]:
    parts = [Gap(gap.start_ms, start_ms, gap.cause), Gap(end_ms, gap.end_ms, gap.cause)]
    return [part for part in parts if part.start_ms < part.end_ms]


def _row(series: Series, gap: Gap, now_ms: int) -> dict[str, object]:
    return {
        "symbol_id": series.symbol_id,
        "interval_id": series.interval.number,
        "start_ms": gap.start_ms,
        "end_ms": gap.end_ms,
        "cause": gap.cause.value,
        "first_seen_ms": now_ms,
        "resolved_ms": None,
    }


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


def read_gap_history(connection: Connection, series: Series) -> list[LedgerGap]:
    """Return every entry of a series, resolved ones too, ascending."""
    g = t.gaps.c
    query = (
        select(g.start_ms, g.end_ms, g.cause, g.first_seen_ms, g.resolved_ms)
        .where(g.symbol_id == series.symbol_id, g.interval_id == series.interval.number)
        .order_by(g.start_ms, g.id)
    )
    return [
        LedgerGap(
            Gap(row.start_ms, row.end_ms, Cause(row.cause)), row.first_seen_ms, row.resolved_ms
        )
        for row in connection.execute(query)
    ]
