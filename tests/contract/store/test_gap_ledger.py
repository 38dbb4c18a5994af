from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.gaps import Cause, Gap, join_gaps
from market.store import Store
from market.store.gap_ledger import LedgerGap, read_gap_history, read_gaps, write_gaps
from market.store.symbols import Series
from market.store.tables import metadata
from support.stores import rows

OUTAGE, REPAIRABLE = Cause.OUTAGE, Cause.REPAIRABLE


def write(store: Store, series: Series, span: tuple[int, int], *gaps: Gap, now_ms: int) -> None:
    with store.begin() as connection:
        write_gaps(connection, series, span, gaps, now_ms)


def ledger(store: Store, series: Series) -> list[Gap]:
    with store.read() as connection:
        return read_gaps(connection, series, None, None)


def history(store: Store, series: Series) -> list[LedgerGap]:
    with store.read() as connection:
        return read_gap_history(connection, series)


def test_ledger_says_what_was_found(store: Store, series: Series) -> None:
    write(store, series, (0, 100), Gap(10, 20, OUTAGE), Gap(50, 60, REPAIRABLE), now_ms=1)

    with store.read() as connection:
        assert read_gaps(connection, series, None, None) == [
            Gap(10, 20, OUTAGE),
            Gap(50, 60, REPAIRABLE),
        ]
        assert read_gaps(connection, series, 20, 50) == []
        assert read_gaps(connection, series, 19, 51) == [
            Gap(10, 20, OUTAGE),
            Gap(50, 60, REPAIRABLE),
        ]


def test_gap_that_is_filled_is_resolved(store: Store, series: Series) -> None:
    write(store, series, (0, 100), Gap(10, 20, OUTAGE), Gap(50, 60, REPAIRABLE), now_ms=1)

    write(store, series, (0, 100), Gap(10, 20, OUTAGE), now_ms=2)

    assert ledger(store, series) == [Gap(10, 20, OUTAGE)]
    found = rows(store, "SELECT start_ms, first_seen_ms, resolved_ms FROM gaps ORDER BY start_ms")
    assert [tuple(row.values()) for row in found] == [(10, 1, None), (50, 1, 2)]


def test_gap_with_another_cause_keeps_when_it_was_seen(store: Store, series: Series) -> None:
    write(store, series, (0, 100), Gap(10, 20, REPAIRABLE), now_ms=1)

    write(store, series, (0, 100), Gap(10, 14, OUTAGE), Gap(14, 20, REPAIRABLE), now_ms=2)

    assert ledger(store, series) == [Gap(10, 14, OUTAGE), Gap(14, 20, REPAIRABLE)]
    assert history(store, series) == [
        LedgerGap(Gap(10, 14, OUTAGE), 1, None),
        LedgerGap(Gap(14, 20, REPAIRABLE), 1, None),
    ]


def test_part_of_a_gap_that_is_filled_is_resolved_alone(store: Store, series: Series) -> None:
    write(store, series, (0, 100), Gap(10, 20, REPAIRABLE), now_ms=1)

    write(store, series, (0, 100), Gap(10, 12, REPAIRABLE), Gap(15, 20, REPAIRABLE), now_ms=2)

    assert history(store, series) == [
        LedgerGap(Gap(10, 12, REPAIRABLE), 1, None),
        LedgerGap(Gap(12, 15, REPAIRABLE), 1, 2),
        LedgerGap(Gap(15, 20, REPAIRABLE), 1, None),
    ]


def test_gap_found_again_in_the_same_millisecond_is_open(store: Store, series: Series) -> None:
    for found in ([Gap(10, 20, OUTAGE)], [], [Gap(10, 20, OUTAGE)]):
        write(store, series, (0, 100), *found, now_ms=1)

    assert ledger(store, series) == [Gap(10, 20, OUTAGE)]


def test_gap_outside_the_span_is_left_alone(store: Store, series: Series) -> None:
    write(store, series, (0, 100), Gap(10, 20, OUTAGE), now_ms=1)

    write(store, series, (20, 100), now_ms=2)

    assert ledger(store, series) == [Gap(10, 20, OUTAGE)]


def test_gap_across_the_edge_keeps_its_part_outside(store: Store, series: Series) -> None:
    write(store, series, (0, 100), Gap(10, 40, OUTAGE), now_ms=1)

    write(store, series, (20, 30), now_ms=2)

    assert ledger(store, series) == [Gap(10, 20, OUTAGE), Gap(30, 40, OUTAGE)]


def test_gap_across_the_edge_found_again_is_unchanged(store: Store, series: Series) -> None:
    write(store, series, (0, 100), Gap(10, 40, OUTAGE), now_ms=1)

    write(store, series, (20, 100), Gap(20, 40, OUTAGE), now_ms=2)

    (row,) = rows(store, "SELECT start_ms, end_ms, first_seen_ms, resolved_ms FROM gaps")
    assert tuple(row.values()) == (10, 40, 1, None)


def test_gap_that_touches_the_span_is_continued(store: Store, series: Series) -> None:
    write(store, series, (0, 20), Gap(10, 20, OUTAGE), now_ms=1)

    write(store, series, (20, 40), Gap(20, 30, OUTAGE), now_ms=2)

    assert ledger(store, series) == [Gap(10, 30, OUTAGE)]


_gaps = st.builds(
    lambda start, length, cause: Gap(start, start + length, cause),
    st.integers(0, 30),
    st.integers(1, 12),
    st.sampled_from([OUTAGE, REPAIRABLE]),
)


def _disjoint(gaps: list[Gap]) -> list[Gap]:
    kept: list[Gap] = []
    for gap in sorted(gaps):
        if not kept or gap.start_ms >= kept[-1].end_ms:
            kept.append(gap)
    return kept


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.lists(_gaps, max_size=5).map(_disjoint), st.integers(0, 30), st.integers(1, 20)
        ),
        min_size=1,
        max_size=3,
    )
)
def test_ledger_agrees_with_a_slot_by_slot_oracle(
    store: Store, series: Series, looks: list[tuple[list[Gap], int, int]]
) -> None:
    with store.begin() as connection:
        connection.execute(metadata.tables["gaps"].delete())
    oracle: dict[int, tuple[Cause, int]] = {}
    resolved: Counter[tuple[int, int, int | None]] = Counter()

    for now_ms, (gaps, start, length) in enumerate(looks):
        write(store, series, (start, start + length), *gaps, now_ms=now_ms)
        for slot in range(start, start + length):
            cause = next((gap.cause for gap in gaps if gap.start_ms <= slot < gap.end_ms), None)
            _, seen_ms = oracle.pop(slot, (cause, now_ms))
            if cause is not None:
                oracle[slot] = (cause, seen_ms)
            elif seen_ms != now_ms:
                resolved[slot, seen_ms, now_ms] += 1

    slots = [Gap(slot, slot + 1, cause) for slot, (cause, _) in oracle.items()]
    assert ledger(store, series) == join_gaps(slots)
    told = Counter(
        (slot, entry.first_seen_ms, entry.resolved_ms)
        for entry in history(store, series)
        for slot in range(entry.gap.start_ms, entry.gap.end_ms)
    )
    still = Counter((slot, seen_ms, None) for slot, (_, seen_ms) in oracle.items())
    assert told == resolved + still
