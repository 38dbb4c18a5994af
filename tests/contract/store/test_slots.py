"""A slot holds one kline: one that opens at another time of it takes the stored one's place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from market.interval import HOUR_MS, Interval
from market.kline import Kline, is_irregular
from market.store import Store
from market.store import tables as t
from market.store.bulk import KlineLines
from market.store.kline_slots import plan_moves
from market.store.klines import (
    Batch,
    KlinePart,
    Source,
    Written,
    write_kline_parts,
    write_klines,
)
from market.store.outbox import kline_key, read_outbox
from market.store.revisions import Revision, iter_revisions, read_klines_as_of
from market.store.symbols import Series
from support.klines import make_klines
from support.stores import count, stored

ON = make_klines(Interval.H1, 300)
SLOT = 150
#: The same klines, of which one opens off the grid.
OFF = [
    kline._replace(open_time_ms=kline.open_time_ms + 137) if number == SLOT else kline
    for number, kline in enumerate(ON)
]
OTHER = [kline._replace(volume="7.00000000") for kline in OFF]


def batch(fetched_at_ms: int) -> Batch:
    return Batch(Source.ARCHIVE_MONTHLY, f"test {fetched_at_ms}", fetched_at_ms)


def as_of(store: Store, series: Series, as_of_ms: int) -> list[Kline]:
    with store.read() as connection:
        return read_klines_as_of(connection, series, None, None, 1000, as_of_ms)


def outbox_keys(store: Store) -> set[str]:
    with store.read() as connection:
        return {one.key for one in read_outbox(connection, 1000)}


@pytest.mark.parametrize(
    ("old", "new"), [(OFF, ON), (ON, OFF), (ON, OTHER)], ids=["on", "off", "off_and_changed"]
)
@pytest.mark.parametrize("part", [slice(None), slice(SLOT, SLOT + 1)], ids=["whole", "one"])
def test_a_kline_takes_the_place_of_its_slots(
    store: Store,
    series: Series,
    old: list[Kline],
    new: list[Kline],
    part: slice,
) -> None:
    write_klines(store, series, old, batch(10))
    told = new[part]
    changed = sum(one != other for one, other in zip(old[part], told, strict=True))

    written = write_klines(store, series, told, batch(20), announce_from_ms=0)
    again = write_klines(store, series, told, batch(30), announce_from_ms=0)

    assert (written, again) == (Written(0, changed), Written(0, 0))
    assert stored(store, series) == [*old[: part.start or 0], *told, *old[part.stop or 300 :]]
    with store.read() as connection:
        revisions = list(iter_revisions(connection, series, None, None))
        flags = connection.execute(
            select(t.klines.c.open_time_ms, t.klines.c.close_time_ms, t.klines.c.irregular)
        ).all()
    assert Revision(old[SLOT], 20) in revisions
    assert len(revisions) == changed
    assert [bool(row.irregular) for row in flags] == [
        is_irregular(ON[0]._replace(open_time_ms=row[0], close_time_ms=row[1]), Interval.H1)
        for row in flags
    ]
    assert as_of(store, series, 9) == []
    assert as_of(store, series, 10) == as_of(store, series, 19) == old
    assert as_of(store, series, 20) == stored(store, series)
    keys = {kline_key(series, one[SLOT].open_time_ms) for one in (old, new)}
    assert keys <= outbox_keys(store)
    assert count(store, "kline_staging") == 0


def test_a_kline_that_moves_back_is_told_as_it_was_each_time(store: Store, series: Series) -> None:
    versions = {10: OFF, 20: ON, 30: OTHER, 40: ON}
    for fetched_at_ms, klines in versions.items():
        write_klines(store, series, klines, batch(fetched_at_ms))

    for fetched_at_ms, klines in versions.items():
        assert as_of(store, series, fetched_at_ms) == klines
        assert as_of(store, series, fetched_at_ms + 9) == klines


def test_a_file_in_parts_takes_the_place_of_its_slots(store: Store, series: Series) -> None:
    write_klines(store, series, OFF, batch(10))
    content = "".join(",".join(map(str, kline)) + "\n" for kline in ON[100:200])
    lines = KlineLines(content.encode(), 100, ON[100].open_time_ms, ON[199].open_time_ms, 1)

    parts: list[KlinePart] = [ON[:100], lines, ON[200:]]
    written = write_kline_parts(store, series, lambda: parts, batch(20))

    assert written == Written(0, 1)
    assert stored(store, series) == ON
    assert as_of(store, series, 10) == OFF


def test_several_klines_that_a_file_has_in_one_slot_stay(store: Store, series: Series) -> None:
    parts: list[KlinePart] = [ON[: SLOT + 1], OFF[SLOT:]]

    first = write_kline_parts(store, series, lambda: parts, batch(10))
    again = write_kline_parts(store, series, lambda: parts, batch(20))

    assert (first, again) == (Written(301, 0), Written(0, 0))
    assert stored(store, series) == sorted({*ON, *OFF})


opens = st.sets(st.integers(0, 9).map(lambda half: half * HOUR_MS // 2)).map(sorted)


@given(opens, opens)
def test_moves_are_one_to_one_within_slots(stored: list[int], told: list[int]) -> None:
    moves = plan_moves(Interval.H1, stored, told)

    assert all(one // HOUR_MS == other // HOUR_MS for one, other in moves)
    assert {move.to_ms for move in moves} <= {*told} - {*stored}
    assert len({move.from_ms for move in moves}) == len({move.to_ms for move in moves})
    assert {move.from_ms for move in moves} <= {*stored}
    assert {move.from_ms for move in moves}.isdisjoint(told)
    for slot in {ms // HOUR_MS for ms in told}:
        strays, new, moved = (
            sum(ms // HOUR_MS == slot for ms in opens)
            for opens in ({*stored} - {*told}, {*told} - {*stored}, {m.to_ms for m in moves})
        )
        assert moved == min(strays, new)
