"""The gap ledger of all series, page by page."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from market.gaps import Cause, Gap
from market.interval import Interval
from market.store import tables as t
from market.store.gap_ledger import LedgerGap
from market.store.symbols import VENUE, Series


class GapFilter(NamedTuple):
    """Which entries are wanted; `None` keeps all.

    Attributes:
        start_ms, end_ms: entries that touch this half-open range.
        resolved: only resolved ones, or only open ones.
    """

    symbol_ids: tuple[int, ...] | None = None
    interval: Interval | None = None
    cause: Cause | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    resolved: bool | None = None


class GapPlace(NamedTuple):
    """Where an entry stands: entries are ordered by this."""

    symbol_id: int
    interval_id: int
    start_ms: int
    id: int


class PlacedGap(NamedTuple):
    """An entry, its series, and where it stands."""

    series: Series
    entry: LedgerGap
    place: GapPlace


def read_gap_page(
    connection: Connection,
    wanted: GapFilter,
    limit: int,
    after: GapPlace | None = None,
    *,
    venue: str = VENUE,
) -> list[PlacedGap]:
    """Return up to `limit` entries behind a place, in the order of places."""
    g, s = t.gaps.c, t.symbols.c
    query = (
        select(t.gaps, s.symbol)
        .join(t.symbols, s.id == g.symbol_id)
        .where(s.venue == venue)
        .order_by(g.symbol_id, g.interval_id, g.start_ms, g.id)
        .limit(limit)
    )
    if wanted.symbol_ids is not None:
        query = query.where(g.symbol_id.in_(wanted.symbol_ids))
    if wanted.interval is not None:
        query = query.where(g.interval_id == wanted.interval.number)
    if wanted.cause is not None:
        query = query.where(g.cause == wanted.cause.value)
    if wanted.start_ms is not None:
        query = query.where(g.end_ms > wanted.start_ms)
    if wanted.end_ms is not None:
        query = query.where(g.start_ms < wanted.end_ms)
    if wanted.resolved is not None:
        open_ = g.resolved_ms.is_(None)
        query = query.where(~open_ if wanted.resolved else open_)
    if after is not None:
        query = query.where(_behind(after))
    return [
        PlacedGap(
            Series(row.symbol_id, row.symbol, Interval.from_number(row.interval_id), venue),
            LedgerGap(
                Gap(row.start_ms, row.end_ms, Cause(row.cause)), row.first_seen_ms, row.resolved_ms
            ),
            GapPlace(row.symbol_id, row.interval_id, row.start_ms, row.id),
        )
        for row in connection.execute(query)
    ]


def _behind(place: GapPlace) -> ColumnElement[bool]:
    g = t.gaps.c
    # Not a comparison of rows: MySQL would not use the index for one.
    return or_(
        g.symbol_id > place.symbol_id,
        and_(g.symbol_id == place.symbol_id, g.interval_id > place.interval_id),
        and_(
            g.symbol_id == place.symbol_id,
            g.interval_id == place.interval_id,
            or_(
                g.start_ms > place.start_ms,
                and_(g.start_ms == place.start_ms, g.id > place.id),
            ),
        ),
    )
