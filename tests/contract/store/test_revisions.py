"""Klines as they were known at a time."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.interval import HOUR_MS, Interval
from market.kline import Kline
from market.store import Store
from market.store.klines import Batch, Source, write_klines
from market.store.revisions import Revision, iter_revisions, read_klines_as_of
from market.store.symbols import Series
from market.store.tables import metadata
from support.klines import START_MS, make_klines

SLOTS = make_klines(Interval.H1, 8)


def with_close(slot: int, price: int) -> Kline:
    text = f"{price}.00000000"
    return SLOTS[slot]._replace(open=text, high=text, low=text, close=text)


def batch(fetched_at_ms: int) -> Batch:
    return Batch(Source.REST, f"test {fetched_at_ms}", fetched_at_ms)


def known(store: Store, series: Series, as_of_ms: int) -> list[Kline]:
    with store.read() as connection:
        return read_klines_as_of(connection, series, None, None, 1000, as_of_ms)


def test_a_replaced_kline_is_told_as_it_was(store: Store, series: Series) -> None:
    write_klines(store, series, [with_close(0, 1), with_close(1, 1)], batch(10))
    write_klines(store, series, [with_close(1, 2), with_close(2, 2)], batch(20))

    assert known(store, series, 9) == []
    assert known(store, series, 10) == known(store, series, 19)
    assert known(store, series, 19) == [with_close(0, 1), with_close(1, 1)]
    assert known(store, series, 20) == [with_close(0, 1), with_close(1, 2), with_close(2, 2)]
    with store.read() as connection:
        assert list(iter_revisions(connection, series, None, None)) == [
            Revision(with_close(1, 1), 20)
        ]


def test_range_and_limit_count_only_what_was_known(store: Store, series: Series) -> None:
    write_klines(store, series, [with_close(slot, 1) for slot in (0, 2, 4, 6)], batch(10))
    write_klines(store, series, [with_close(slot, 2) for slot in range(8)], batch(20))

    with store.read() as connection:
        first = read_klines_as_of(connection, series, None, None, 2, 10)
        last = read_klines_as_of(connection, series, None, None, 2, 10, newest=True)
        middle = read_klines_as_of(
            connection, series, SLOTS[2].open_time_ms, SLOTS[6].open_time_ms, 9, 15
        )

    assert first == [with_close(0, 1), with_close(2, 1)]
    assert last == [with_close(4, 1), with_close(6, 1)]
    assert middle == [with_close(2, 1), with_close(4, 1)]


writes = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.dictionaries(st.integers(0, 7), st.integers(1, 3), min_size=1, max_size=5),
    ),
    max_size=6,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(writes, st.integers(0, 13), st.integers(0, 8), st.integers(1, 9), st.booleans())
def test_as_of_agrees_with_a_list_of_all_versions(
    store: Store,
    series: Series,
    writes: list[tuple[int, dict[int, int]]],
    as_of_ms: int,
    start: int,
    limit: int,
    newest: bool,
) -> None:
    with store.begin() as connection:
        for table in ("klines", "kline_revisions", "ingest_batches"):
            connection.execute(metadata.tables[table].delete())
    versions: dict[int, list[tuple[int, Kline]]] = {}

    for fetched_at_ms, prices in writes:
        written = [with_close(slot, price) for slot, price in sorted(prices.items())]
        write_klines(store, series, written, batch(fetched_at_ms))
        for slot, kline in zip(sorted(prices), written, strict=True):
            told = versions.setdefault(slot, [])
            if not told or told[-1][1] != kline:
                told.append((fetched_at_ms, kline))

    expected = [
        next((kline for fetched, kline in reversed(versions[slot]) if fetched <= as_of_ms), None)
        for slot in sorted(versions)
        if slot >= start
    ]
    present = [kline for kline in expected if kline is not None]
    with store.read() as connection:
        found = read_klines_as_of(
            connection, series, START_MS + start * HOUR_MS, None, limit, as_of_ms, newest=newest
        )
    assert found == (present[-limit:] if newest else present[:limit])
