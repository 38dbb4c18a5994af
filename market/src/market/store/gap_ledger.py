"""The gap ledger: missing ranges, their causes, when they were seen and resolved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, select

from market.gaps import Cause, Gap, Range, join_gaps, subtract_ranges
from market.interval import Interval
from market.store import tables as t
from market.store.symbols import VENUE, Series
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

    Every open time that is or was missing belongs to one entry: time that is no longer
    found is resolved, time found with another cause gets it, and both keep when they were
    first seen; an entry is split where its parts differ. What lies outside the span stays.
    """
    g = t.gaps.c
    overlapping = and_(
        *_open_of(series),
        g.start_ms < span[1],
        g.end_ms > span[0],
    )
    query = select(g.id, g.start_ms, g.end_ms, g.cause, g.first_seen_ms).where(overlapping)
    unclaimed = join_gaps(_clip(found, Range(*span)))
    fresh: list[LedgerGap] = []
    for row in connection.execute(query.order_by(g.start_ms, g.id)).all():
        entry = LedgerGap(Gap(row.start_ms, row.end_ms, Cause(row.cause)), row.first_seen_ms, None)
        pieces = _split(entry, Range(*span), unclaimed, now_ms)
        unclaimed = _without(unclaimed, entry.gap)
        if len(pieces) == 1:
            if pieces[0] != entry:
                values = {"cause": pieces[0].gap.cause.value, "resolved_ms": pieces[0].resolved_ms}
                connection.execute(t.gaps.update().where(g.id == row.id).values(values))
        else:
            connection.execute(t.gaps.delete().where(g.id == row.id))
            fresh += pieces
    fresh += [LedgerGap(gap, now_ms, None) for gap in unclaimed]
    if fresh:
        # An entry resolved in this very millisecond is opened again.
        rows = [_row(series, entry) for entry in fresh]
        key = ("symbol_id", "interval_id", "start_ms", "end_ms", "first_seen_ms")
        upsert(connection, t.gaps, rows, key=key)


def _split(entry: LedgerGap, span: Range, found: Sequence[Gap], now_ms: int) -> list[LedgerGap]:
    """Return what becomes of an entry: parts still missing, and parts resolved now."""
    gap = entry.gap
    whole = Range(gap.start_ms, gap.end_ms)
    inside = Range(max(gap.start_ms, span.start_ms), min(gap.end_ms, span.end_ms))
    missing = [Gap(*part, gap.cause) for part in subtract_ranges([whole], [span])]
    missing += _clip(found, inside)
    filled = subtract_ranges([whole], [Range(one.start_ms, one.end_ms) for one in missing])
    pieces = [entry._replace(gap=one) for one in join_gaps(missing)]
    pieces += [LedgerGap(Gap(*one, gap.cause), entry.first_seen_ms, now_ms) for one in filled]
    return sorted(pieces, key=lambda piece: piece.gap)


def _clip(gaps: Iterable[Gap], span: Range) -> list[Gap]:
    clipped = (
        Gap(max(gap.start_ms, span.start_ms), min(gap.end_ms, span.end_ms), gap.cause)
        for gap in gaps
    )
    return [gap for gap in clipped if gap.start_ms < gap.end_ms]


def _without(gaps: Iterable[Gap], taken: Gap) -> list[Gap]:
    hole = Range(taken.start_ms, taken.end_ms)
    return [
        Gap(*part, gap.cause)
        for gap in gaps
        for part in subtract_ranges([Range(gap.start_ms, gap.end_ms)], [hole])
    ]


def _row(series: Series, entry: LedgerGap) -> dict[str, object]:
    return {
        "symbol_id": series.symbol_id,
        "interval_id": series.interval.number,
        "start_ms": entry.gap.start_ms,
        "end_ms": entry.gap.end_ms,
        "cause": entry.gap.cause.value,
        "first_seen_ms": entry.first_seen_ms,
        "resolved_ms": entry.resolved_ms,
    }


def _open_of(series: Series) -> tuple[ColumnElement[bool], ...]:
    g = t.gaps.c
    return (
        g.symbol_id == series.symbol_id,
        g.interval_id == series.interval.number,
        g.resolved_ms.is_(None),
    )


def read_gaps(
    connection: Connection, series: Series, start_ms: int | None, end_ms: int | None
) -> list[Gap]:
    """Return the unresolved gaps that touch [start_ms, end_ms), ascending.

    Entries of one cause that touch are one gap.
    """
    g = t.gaps.c
    query = select(g.start_ms, g.end_ms, g.cause).where(*_open_of(series))
    if start_ms is not None:
        query = query.where(g.end_ms > start_ms)
    if end_ms is not None:
        query = query.where(g.start_ms < end_ms)
    rows = connection.execute(query.order_by(g.start_ms))
    return join_gaps(Gap(row.start_ms, row.end_ms, Cause(row.cause)) for row in rows)


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


def read_open_gaps(connection: Connection, *, venue: str = VENUE) -> dict[Series, list[Gap]]:
    """Return the unresolved gaps of every series of a venue that has any."""
    g, s = t.gaps.c, t.symbols.c
    query = (
        select(g.symbol_id, s.symbol, g.interval_id, g.start_ms, g.end_ms, g.cause)
        .join(t.symbols, s.id == g.symbol_id)
        .where(s.venue == venue, g.resolved_ms.is_(None))
        .order_by(g.symbol_id, g.interval_id, g.start_ms)
    )
    found: dict[Series, list[Gap]] = {}
    for row in connection.execute(query):
        series = Series(row.symbol_id, row.symbol, Interval.from_number(row.interval_id), venue)
        gap = Gap(row.start_ms, row.end_ms, Cause(row.cause))
        found.setdefault(series, []).append(gap)
    return {series: join_gaps(gaps) for series, gaps in found.items()}
