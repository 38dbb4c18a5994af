"""Slots: a kline fills the one it opens in, so one that opens at another time takes its place.

Binance's oldest klines open off the grid; should it publish them anew, on the grid or off
it, they are the same klines still. Rows are moved, not deleted: the populator's account
may not delete klines.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, literal, select

from market.gaps import Range
from market.interval import Interval
from market.store import tables as t
from market.store.bulk import KLINE_COLUMNS
from market.store.symbols import Series

_SLICE = 500
#: Slots further apart than this many steps are read by queries of their own.
_WIDEST_HOLE = 1000


class Move(NamedTuple):
    """A stored kline's open time, and that of the kline which takes its slot."""

    from_ms: int
    to_ms: int


def slot_runs(interval: Interval, opens: Sequence[int]) -> list[Range]:
    """Return ranges that hold the slots of open times, which ascend."""
    runs: list[Range] = []
    for open_ms in opens:
        start_ms, end_ms = interval.floor(open_ms), interval.close_of(open_ms) + 1
        if runs and start_ms - runs[-1].end_ms <= _WIDEST_HOLE * interval.typical_ms:
            runs[-1] = Range(runs[-1].start_ms, end_ms)
        else:
            runs.append(Range(start_ms, end_ms))
    return runs


def plan_moves(interval: Interval, stored: Sequence[int], told: Sequence[int]) -> list[Move]:
    """Return which stored open times give way to which of those told, both ascending.

    Where both have several klines in one slot, as many move as can; none that is told stays
    out and none that opens as one told moves.
    """
    strays = sorted(set(stored).difference(told))
    if not strays:
        return []
    new = {
        slot_ms: list(opens)
        for slot_ms, opens in groupby(sorted(set(told).difference(stored)), interval.floor)
    }
    moves: list[Move] = []
    for slot_ms, opens in groupby(strays, interval.floor):
        moves += map(Move, opens, new.get(slot_ms, ()))
    return moves


def move_klines(
    connection: Connection,
    series: Series,
    moves: Sequence[Move],
    batch_id: int,
    replaced_at_ms: int,
) -> None:
    """Keep stored klines as revisions, and give their rows the batch's open times.

    The rows bear the batch's number then and still the old values: the caller writes the
    new ones in the same transaction.
    """
    for start in range(0, len(moves), _SLICE):
        _move(connection, series, moves[start : start + _SLICE], batch_id, replaced_at_ms)


def _move(
    connection: Connection,
    series: Series,
    moves: Sequence[Move],
    batch_id: int,
    replaced_at_ms: int,
) -> None:
    k = t.klines.c
    of_series = (k.symbol_id == series.symbol_id, k.interval_id == series.interval.number)
    names = (*KLINE_COLUMNS, "replaced_at_ms", "replaced_by_batch_id")
    old = select(
        *(k[name] for name in KLINE_COLUMNS), literal(replaced_at_ms), literal(batch_id)
    ).where(*of_series, k.open_time_ms.in_([move.from_ms for move in moves]))
    connection.execute(t.kline_revisions.insert().from_select(names, old))
    moved = t.klines.update().where(*of_series, k.open_time_ms == bindparam("from_ms"))
    connection.execute(
        moved.values(open_time_ms=bindparam("to_ms"), batch_id=batch_id),
        [move._asdict() for move in moves],
    )
