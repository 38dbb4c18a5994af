"""The score cards of evaluations, newest for each (version, step, kind)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, select

from market.forecast import ScoreCard
from market.interval import Interval
from market.log import get_logger
from market.store import tables as t
from market.store.engine import Store
from market.store.symbols import VENUE, find_series
from market.store.upsert import upsert

log = get_logger()

_KEY = ("symbol_id", "interval_id", "version", "step", "kind")


def write_score_cards(store: Store, cards: Sequence[ScoreCard]) -> None:
    """Store score cards; one of the same version, step and kind is replaced.

    Raises:
        NotFound: the store does not know a card's symbol.
    """
    if not cards:
        return
    store.transact(
        lambda connection: upsert(
            connection, t.score_cards, [_row(connection, card) for card in cards], key=_KEY
        )
    )


def _row(connection: Connection, card: ScoreCard) -> dict[str, object]:
    series = find_series(connection, card.symbol, Interval.parse(card.interval))
    return {
        "symbol_id": series.symbol_id,
        "interval_id": series.interval.number,
        "model": card.model,
        "version": card.version,
        "step": card.step,
        "kind": card.kind,
        "to_ms": card.to_ms,
        "card": card.model_dump_json(),
    }


def read_score_cards(  # noqa: PLR0913  each a filter of its own
    connection: Connection,
    *,
    symbol: str | None = None,
    interval: Interval | None = None,
    model: str | None = None,
    kind: str | None = None,
    step: int | None = None,
    span: tuple[int | None, int | None] = (None, None),
    every_version: bool = False,
) -> list[ScoreCard]:
    """Return the cards that match, of each model's newest version, ordered by series and step.

    `span` keeps cards whose last cutoff, `to_ms`, lies in that half-open range; with
    `every_version` those of older versions follow. A stored card that is none, such as one
    with null for a number, is logged and left out.
    """
    c = t.score_cards.c
    query = (
        select(c.symbol_id, c.interval_id, c.model, c.kind, c.version, c.step, c.card)
        .join(t.symbols, t.symbols.c.id == c.symbol_id)
        .where(t.symbols.c.venue == VENUE)
        .order_by(t.symbols.c.symbol, c.interval_id, c.model, c.kind, c.step)
    )
    wanted = (
        (t.symbols.c.symbol, symbol),
        (c.interval_id, None if interval is None else interval.number),
        (c.model, model),
        (c.kind, kind),
        (c.step, step),
    )
    for column, value in wanted:
        if value is not None:
            query = query.where(column == value)
    if span[0] is not None:
        query = query.where(c.to_ms >= span[0])
    if span[1] is not None:
        query = query.where(c.to_ms < span[1])
    groups: dict[tuple[object, ...], dict[str, list[ScoreCard]]] = {}
    for row in connection.execute(query):
        card = _parse(row._mapping)
        if card is not None:
            versions = groups.setdefault((row.symbol_id, row.interval_id, row.model, row.kind), {})
            versions.setdefault(row.version, []).append(card)
    found: list[ScoreCard] = []
    for versions in groups.values():
        newest_first = sorted(versions.values(), key=_age, reverse=True)
        for cards in newest_first if every_version else newest_first[:1]:
            found += cards
    return found


def _parse(row: RowMapping) -> ScoreCard | None:
    try:
        return ScoreCard.model_validate_json(row["card"])
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        log.warning(
            "score_card_not_read",
            version=row["version"],
            step=row["step"],
            kind=row["kind"],
            detail=f"{where}: {fault['msg']}",
        )
        return None


def _age(cards: list[ScoreCard]) -> tuple[int, str]:
    return max(card.to_ms for card in cards), cards[0].version
