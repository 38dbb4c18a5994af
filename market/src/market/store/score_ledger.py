"""The score cards of evaluations, newest for each (version, step, kind)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from market.forecast import ScoreCard
from market.interval import Interval
from market.store import tables as t
from market.store.engine import Store
from market.store.symbols import VENUE, find_series
from market.store.upsert import upsert

_KEY = ("symbol_id", "interval_id", "version", "step", "kind")


def write_score_cards(store: Store, cards: Sequence[ScoreCard]) -> None:
    """Store score cards; one of the same version, step and kind is replaced."""
    if not cards:
        return
    with store.begin() as connection:
        rows = []
        for card in cards:
            series = find_series(connection, card.symbol, Interval.parse(card.interval))
            rows.append(
                {
                    "symbol_id": series.symbol_id,
                    "interval_id": series.interval.number,
                    "model": card.model,
                    "version": card.version,
                    "step": card.step,
                    "kind": card.kind,
                    "to_ms": card.to_ms,
                    "card": card.model_dump_json(),
                }
            )
        upsert(connection, t.score_cards, rows, key=_KEY)


def read_score_cards(
    connection: Connection,
    *,
    symbol: str | None = None,
    interval: Interval | None = None,
    model: str | None = None,
    kind: str | None = None,
) -> list[ScoreCard]:
    """Return the cards that match, of each model's newest version, ordered by series and step."""
    c = t.score_cards.c
    query = (
        select(c.symbol_id, c.interval_id, c.model, c.kind, c.version, c.to_ms, c.card)
        .join(t.symbols, t.symbols.c.id == c.symbol_id)
        .where(t.symbols.c.venue == VENUE)
        .order_by(t.symbols.c.symbol, c.interval_id, c.model, c.kind, c.to_ms, c.version, c.step)
    )
    if symbol is not None:
        query = query.where(t.symbols.c.symbol == symbol)
    if interval is not None:
        query = query.where(c.interval_id == interval.number)
    if model is not None:
        query = query.where(c.model == model)
    if kind is not None:
        query = query.where(c.kind == kind)
    newest: dict[tuple[object, ...], tuple[str, list[ScoreCard]]] = {}
    for row in connection.execute(query):
        group = (row.symbol_id, row.interval_id, row.model, row.kind)
        if group not in newest or newest[group][0] != row.version:
            newest[group] = (row.version, [])
        newest[group][1].append(ScoreCard.model_validate_json(row.card))
    return [card for _, cards in newest.values() for card in cards]
