"""Champions: the artefact that is served for each series; append-only, newest wins."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from market.interval import Interval
from market.store import tables as t
from market.store.symbols import VENUE, Series


class Champion(NamedTuple):
    """The artefact served for a series, since when, and why it was chosen."""

    symbol: str
    interval: Interval
    model: str
    version: str
    since_ms: int
    reason: str


def write_champion(
    connection: Connection, series: Series, model: str, version: str, since_ms: int, reason: str
) -> None:
    """Make an artefact the champion of a series."""
    connection.execute(
        t.champions.insert().values(
            symbol_id=series.symbol_id,
            interval_id=series.interval.number,
            model=model,
            version=version,
            since_ms=since_ms,
            reason=reason,
        )
    )


def read_champion(connection: Connection, series: Series) -> Champion | None:
    """Return the champion of a series, `None` before the first training."""
    history = read_champion_history(connection, series, limit=1)
    return history[0] if history else None


def read_champion_history(
    connection: Connection, series: Series, *, limit: int = 100
) -> list[Champion]:
    """Return the champions a series had, the present one first."""
    c = t.champions.c
    query = (
        select(t.symbols.c.symbol, c.interval_id, c.model, c.version, c.since_ms, c.reason)
        .join(t.symbols, t.symbols.c.id == c.symbol_id)
        .where(
            t.symbols.c.venue == VENUE,
            c.symbol_id == series.symbol_id,
            c.interval_id == series.interval.number,
        )
        .order_by(c.id.desc())
        .limit(limit)
    )
    return [_champion(row) for row in connection.execute(query)]


def _champion(row: Any) -> Champion:
    symbol, interval_id, model, version, since_ms, reason = row
    interval = Interval.from_number(interval_id)
    return Champion(symbol, interval, model, version, since_ms, reason)
