"""How many forecasts the ledger holds, counted in an index without reading one."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, func, select

from market.interval import Interval
from market.store import tables as t
from market.store.symbols import VENUE, Series


class LedgerExtent(NamedTuple):
    """What the ledger holds of a series: forecasts of all models, and the newest cutoff."""

    series: Series
    forecasts: int
    newest_cutoff_ms: int


def read_ledger_extents(connection: Connection, *, venue: str = VENUE) -> list[LedgerExtent]:
    """Return the extent of every series that was ever forecast, by symbol and interval."""
    f, s = t.forecasts.c, t.symbols.c
    # Grouped before the join: the index of series and cutoff answers it alone.
    extents = (
        select(
            f.symbol_id,
            f.interval_id,
            func.count().label("forecasts"),
            func.max(f.cutoff_ms).label("newest_cutoff_ms"),
        )
        .group_by(f.symbol_id, f.interval_id)
        .subquery()
    )
    query = (
        select(extents, s.symbol)
        .join(t.symbols, s.id == extents.c.symbol_id)
        .where(s.venue == venue)
        .order_by(s.symbol, extents.c.interval_id)
    )
    return [
        LedgerExtent(
            Series(row.symbol_id, row.symbol, Interval.from_number(row.interval_id), venue),
            row.forecasts,
            row.newest_cutoff_ms,
        )
        for row in connection.execute(query)
    ]
