"""Merging klines into what is stored: new ones added, changed ones replaced and kept.

Rows go through `kline_staging`; one join with `klines` tells which differ, and only those
are written. Those that `kline_slots` moved are written too: they bear the batch's number
already, and have their revision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, literal, or_, select

from market.store import tables as t
from market.store.bulk import (
    KLINE_COLUMNS,
    KLINE_KEY,
    KLINE_VALUES,
    KlineBlock,
    KlineRow,
    insert_rows,
)
from market.store.upsert import upsert_from_select

# The unused field is not part of what a kline says: the archive and REST may differ in it.
_COMPARED = tuple(name for name in KLINE_VALUES if name != "ignore")


def merge_rows(
    connection: Connection,
    rows: Sequence[KlineRow] | KlineBlock,
    batch_id: int,
    replaced_at_ms: int,
) -> tuple[list[int], int]:
    """Return the open times that are new, moved or changed, and how many are changed in place."""
    insert_rows(connection, t.kline_staging, rows)
    query = _different(batch_id).with_only_columns(t.kline_staging.c.open_time_ms)
    touched = list(connection.execute(query).scalars())
    changed = 0
    if touched:
        changed = _write_revisions(connection, batch_id, replaced_at_ms)
        upsert_from_select(connection, t.klines, KLINE_COLUMNS, _different(batch_id))
    connection.execute(t.kline_staging.delete().where(t.kline_staging.c.batch_id == batch_id))
    return touched, changed


def _pairs(*, outer: bool) -> Any:
    s, k = t.kline_staging, t.klines
    same = and_(*(s.c[name] == k.c[name] for name in KLINE_KEY))
    return s.join(k, same, isouter=outer)


def _differs() -> Any:
    s, k = t.kline_staging.c, t.klines.c
    return or_(*(s[name] != k[name] for name in _COMPARED))


def _different(batch_id: int) -> Select[Any]:
    s, k = t.kline_staging.c, t.klines.c
    return (
        select(*(s[name] for name in KLINE_COLUMNS))
        .select_from(_pairs(outer=True))
        .where(
            s.batch_id == batch_id,
            or_(k.open_time_ms.is_(None), k.batch_id == batch_id, _differs()),
        )
    )


def _write_revisions(connection: Connection, batch_id: int, replaced_at_ms: int) -> int:
    names = (*KLINE_COLUMNS, "replaced_at_ms", "replaced_by_batch_id")
    old = (
        select(
            *(t.klines.c[name] for name in KLINE_COLUMNS),
            literal(replaced_at_ms),
            literal(batch_id),
        )
        .select_from(_pairs(outer=False))
        .where(t.kline_staging.c.batch_id == batch_id, t.klines.c.batch_id != batch_id, _differs())
    )
    return connection.execute(t.kline_revisions.insert().from_select(names, old)).rowcount
