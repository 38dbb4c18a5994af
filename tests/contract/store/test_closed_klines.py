"""Klines of many series in one transaction, on every engine."""

from __future__ import annotations

from market.gaps import Cause, Gap
from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store.closed_klines import Arrival, write_closed
from market.store.gap_ledger import write_gaps
from market.store.klines import Batch, Source, write_klines
from market.store.outbox import read_outbox
from market.store.symbols import (
    Series,
    Symbol,
    find_series,
    read_watermark,
    write_symbols,
    write_watermark,
)
from support.klines import make_klines
from support.stores import count, rows, stored

HOURS = make_klines(Interval.H1, 12)
URL = "wss://stream.test/stream"


def add_many(store: Store, number: int) -> list[Series]:
    names = [f"S{index:03}USDT" for index in range(number)]
    write_symbols(store, [Symbol(name, name[:4], "USDT", "TRADING", "{}") for name in names], 1)
    with store.read() as connection:
        return [find_series(connection, name, Interval.H1) for name in names]


def begin(store: Store, series: Series, klines: list[Kline]) -> None:
    """Store the first klines of a series, whole."""
    write_klines(store, series, klines, Batch(Source.REST, "test", 1))
    with store.begin() as connection:
        write_watermark(connection, series, klines[-1].open_time_ms)


def arrive(series: Series, *klines: Kline) -> Arrival:
    return Arrival(series, klines, URL, 1_000)


def watermark(store: Store, series: Series) -> int | None:
    with store.read() as connection:
        return read_watermark(connection, series)


def test_many_series_go_on_in_one_write(store: Store) -> None:
    followed = add_many(store, 60)
    for series in followed:
        begin(store, series, HOURS[:2])

    arrivals = [arrive(series, *HOURS[2:4]) for series in followed]
    written = write_closed(store, arrivals, announce_newest=1)

    assert sorted(written) == sorted(followed)
    for series in followed[::20]:
        assert stored(store, series) == HOURS[:4]
    assert {watermark(store, series) for series in followed} == {HOURS[3].open_time_ms}
    with store.read() as connection:
        told = {announcement.key for announcement in read_outbox(connection, 1_000)}
    assert told == {f"{one.symbol}|1h|{HOURS[3].open_time_ms}" for one in followed}
    origins = rows(
        store,
        "SELECT b.source, b.url, b.rows, b.symbol_id AS theirs, k.symbol_id AS mine"
        " FROM klines k JOIN ingest_batches b ON b.id = k.batch_id WHERE b.source = 'ws'",
    )
    assert len(origins) == 120
    assert all(row["theirs"] == row["mine"] for row in origins)
    assert {(row["source"], row["url"], row["rows"]) for row in origins} == {("ws", URL, 2)}


def test_what_does_not_simply_go_on_is_left_out(store: Store) -> None:
    fresh, hole, again, gapped, good, inner = add_many(store, 6)
    for series in (hole, again, gapped, good, inner):
        begin(store, series, HOURS[:3])
    explained = Gap(HOURS[3].open_time_ms, HOURS[5].open_time_ms, Cause.OUTAGE)
    with store.begin() as connection:
        write_gaps(connection, gapped, explained[:2], [explained], 1)

    written = write_closed(
        store,
        [
            arrive(fresh, HOURS[0]),
            arrive(hole, HOURS[4]),
            arrive(again, HOURS[2]),
            arrive(gapped, HOURS[3]),
            arrive(good, HOURS[3]),
            arrive(inner, HOURS[3], HOURS[5]),
        ],
        announce_newest=5,
    )

    assert written == [good]
    assert stored(store, fresh) == []
    for series in (hole, again, gapped, inner):
        assert stored(store, series) == HOURS[:3]
        assert watermark(store, series) == HOURS[2].open_time_ms


def test_an_older_gap_holds_back_the_watermark_alone(store: Store) -> None:
    (series,) = add_many(store, 1)
    begin(store, series, HOURS[:2])
    write_klines(store, series, HOURS[3:5], Batch(Source.REST, "test", 1))
    gap = Gap(HOURS[2].open_time_ms, HOURS[3].open_time_ms, Cause.REPAIRABLE)
    with store.begin() as connection:
        write_gaps(connection, series, gap[:2], [gap], 1)

    assert write_closed(store, [arrive(series, HOURS[5])], announce_newest=1) == [series]

    assert stored(store, series) == HOURS[:2] + HOURS[3:6]
    assert watermark(store, series) == HOURS[1].open_time_ms


def test_what_somebody_else_stored_meanwhile_is_left_out(store: Store) -> None:
    raced, good = add_many(store, 2)
    for series in (raced, good):
        begin(store, series, HOURS[:3])
    write_klines(store, raced, [HOURS[3]], Batch(Source.REST, "other", 2))
    before = count(store, "ingest_batches")

    written = write_closed(
        store, [arrive(raced, HOURS[3]), arrive(good, HOURS[3])], announce_newest=1
    )

    assert written == [good]
    assert stored(store, good) == HOURS[:4]
    assert watermark(store, raced) == HOURS[2].open_time_ms
    assert count(store, "ingest_batches") == before + 1


def test_nothing_is_announced_where_nothing_is_wanted(store: Store) -> None:
    (series,) = add_many(store, 1)
    begin(store, series, HOURS[:3])

    assert write_closed(store, [arrive(series, HOURS[3])], announce_newest=0) == [series]
    assert count(store, "outbox") == 0
    assert write_closed(store, [], announce_newest=0) == []
