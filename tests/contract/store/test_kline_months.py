"""Stamps of months: a copy whose stamp is the month's own equals what is stored."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Connection, text

from market.interval import DAY_MS, HOUR_MS, Interval
from market.kline import Kline
from market.store import Store, open_store
from market.store import tables as t
from market.store.bulk import KlineLines
from market.store.closed_klines import Arrival, write_closed
from market.store.kline_months import MonthStamp, month_of, months_of, read_closed_months
from market.store.klines import (
    Batch,
    KlinePart,
    Source,
    read_klines,
    write_kline_parts,
    write_klines,
)
from market.store.schema import migrate
from market.store.symbols import Series, write_watermark
from support.klines import START_MS, make_klines
from support.stores import add_series, rows

#: January to the 10th of April 2024; three months and what closes them.
HOURS = make_klines(Interval.H1, 24 * 100)
JANUARY, FEBRUARY, MARCH, APRIL = months_of(kline.open_time_ms for kline in HOURS)
URL = "wss://stream.test/stream"


def batch(fetched_at_ms: int = 1_000) -> Batch:
    return Batch(Source.REST, "test", fetched_at_ms)


def stamps(store: Store, series: Series) -> dict[int, int]:
    found = rows(store, f"SELECT * FROM kline_months WHERE symbol_id = {series.symbol_id}")
    assert all(row["interval_id"] == series.interval.number for row in found)
    return {row["month_ms"]: row["stamp"] for row in found}


def changed(before: dict[int, int], after: dict[int, int]) -> set[int]:
    return {month_ms for month_ms in after if after[month_ms] != before.get(month_ms)}


def closed(store: Store, series: Series) -> list[int]:
    with store.read() as connection:
        return [one.month.start_ms for one in read_closed_months(connection, series, None, None)]


def begin(store: Store, series: Series, klines: list[Kline]) -> None:
    write_klines(store, series, klines, batch())
    with store.begin() as connection:
        write_watermark(connection, series, klines[-1].open_time_ms)


def stream(store: Store, series: Series, klines: list[Kline]) -> bool:
    arrival = Arrival(series, klines, URL, klines[-1].close_time_ms + 1)
    return write_closed(store, [arrival], announce_newest=1) == [series]


def test_what_is_new_or_changed_stamps_its_months(store: Store, series: Series) -> None:
    write_klines(store, series, HOURS, batch())
    first = stamps(store, series)
    write_klines(store, series, HOURS, batch())
    again = stamps(store, series)
    other = [kline._replace(close="7.00000000") for kline in (HOURS[0], HOURS[-1])]
    write_klines(store, series, [other[0], *HOURS[1:-1], other[1]], batch())

    assert set(first) == {JANUARY, FEBRUARY, MARCH, APRIL}
    assert again == first
    assert changed(first, stamps(store, series)) == {JANUARY, APRIL}


def test_the_batch_tells_the_stamp_it_gave(store: Store, series: Series) -> None:
    write_klines(store, series, HOURS[:10], batch(5_000))

    (row,) = rows(
        store,
        "SELECT b.fetched_at_ms AS told, m.changed_ms AS changed"
        " FROM kline_months m JOIN ingest_batches b ON b.stamp = m.stamp",
    )
    assert (row["told"], row["changed"]) == (5_000, 5_000)


def test_files_in_parts_stamp_their_months(store: Store, series: Series) -> None:
    content = "".join(",".join(map(str, kline)) + "\n" for kline in HOURS[1000:])
    lines = KlineLines(content.encode(), 1400, HOURS[1000].open_time_ms, HOURS[-1].open_time_ms, 1)
    parts: list[KlinePart] = [HOURS[:1000], lines]

    write_kline_parts(store, series, lambda: parts, batch())
    first = stamps(store, series)
    write_kline_parts(store, series, lambda: parts, batch())

    assert set(first) == {JANUARY, FEBRUARY, MARCH, APRIL}
    assert stamps(store, series) == first


def test_a_move_stamps_the_month_it_leaves_too(store: Store) -> None:
    series = add_series(store, "BTCUSDT", Interval.W1)
    weeks = make_klines(Interval.W1, 12)
    # The week of 29 January 2024 lies in two months.
    late = weeks[4]._replace(open_time_ms=FEBRUARY + DAY_MS)
    write_klines(store, series, [*weeks[:4], late, *weeks[5:]], batch())
    before = stamps(store, series)

    write_klines(store, series, [weeks[4]], batch())

    assert changed(before, stamps(store, series)) == {JANUARY, FEBRUARY}


def test_streamed_klines_stamp_the_month_they_begin_alone(store: Store, series: Series) -> None:
    begin(store, series, HOURS[:700])
    before = stamps(store, series)

    assert stream(store, series, HOURS[700:702])
    within = stamps(store, series)
    assert stream(store, series, HOURS[702:750])

    assert within == before
    assert set(before) == {JANUARY}
    assert changed(before, stamps(store, series)) == {FEBRUARY}


def test_streamed_klines_before_stored_ones_are_left_to_others(
    store: Store, series: Series
) -> None:
    begin(store, series, HOURS[:700])
    write_klines(store, series, HOURS[800:], batch())  # the ledger was not told of the hole yet

    assert closed(store, series) == [JANUARY, FEBRUARY, MARCH]
    assert not stream(store, series, HOURS[700:701])


@pytest.mark.parametrize(
    ("last_ms", "expected"),
    [
        (FEBRUARY - HOUR_MS, []),
        (FEBRUARY + 2 * DAY_MS - 2 * HOUR_MS, []),
        (FEBRUARY + 2 * DAY_MS - HOUR_MS, [JANUARY]),
        (APRIL + 2 * DAY_MS, [JANUARY, FEBRUARY, MARCH]),
    ],
)
def test_a_month_closes_when_its_series_has_gone_on(
    store: Store, series: Series, last_ms: int, expected: list[int]
) -> None:
    write_klines(store, series, [k for k in HOURS if k.open_time_ms <= last_ms], batch())

    assert closed(store, series) == expected


def test_only_the_months_of_a_range_are_read(store: Store, series: Series) -> None:
    write_klines(store, series, HOURS, batch())

    with store.read() as connection:
        found = read_closed_months(connection, series, FEBRUARY + 5, MARCH)
        beyond = read_closed_months(connection, series, MARCH, MARCH + 1)

    assert found == [MonthStamp(month_of(FEBRUARY), stamps(store, series)[FEBRUARY])]
    assert [one.month.start_ms for one in beyond] == [MARCH]


def test_migration_stamps_every_month_that_is_stored(empty_url: str) -> None:
    store = open_store(empty_url)
    migrate(store, "0004")
    with store.begin() as connection:
        connection.execute(text(_OLD_SYMBOL))
        connection.execute(text(_OLD_BATCH))
        for open_ms in (START_MS, FEBRUARY - 1, APRIL):
            connection.execute(t.klines.insert().values(_old_row(open_ms)))

    migrate(store)

    with store.read() as connection:
        found = connection.execute(t.kline_months.select().order_by("month_ms")).all()
    assert [row.month_ms for row in found] == [JANUARY, FEBRUARY, MARCH, APRIL]
    assert len({row.stamp for row in found}) == 4
    assert {(row.symbol_id, row.interval_id, row.changed_ms) for row in found} == {(1, 7, 0)}
    store.close()


def test_writers_of_the_version_before_are_stopped(empty_url: str) -> None:
    store = open_store(empty_url)
    migrate(store, "0004")
    with store.begin() as connection:
        connection.execute(text(_OLD_SYMBOL))
        connection.execute(text(_OLD_BATCH))
    migrate(store)

    with pytest.raises(Exception, match="stamp"), store.begin() as connection:
        connection.execute(text(_OLD_BATCH))
    store.close()


_OLD_SYMBOL = (
    "INSERT INTO symbols (id, venue, symbol, base_asset, quote_asset, status, info,"
    " first_seen_ms, last_seen_ms)"
    " VALUES (1, 'binance', 'BTCUSDT', 'BTC', 'USDT', 'TRADING', '{}', 1, 1)"
)
_OLD_BATCH = (
    "INSERT INTO ingest_batches (symbol_id, interval_id, source, url, fetched_at_ms, `rows`)"
    " VALUES (1, 7, 'rest', 'old', 1, 1)"
)


def _old_row(open_ms: int) -> dict[str, object]:
    kline = HOURS[0]._replace(open_time_ms=open_ms)._asdict()
    return {**kline, "symbol_id": 1, "interval_id": 7, "irregular": False, "batch_id": 1}


@dataclass
class Copies:
    """Copies of months as a reader makes them: the klines and the stamp of one snapshot."""

    made: list[tuple[MonthStamp, list[Kline]]] = field(default_factory=list)

    def look(self, connection: Connection, series: Series) -> int:
        """Compare every copy that is valid in this snapshot, and make one of each month."""
        present = read_closed_months(connection, series, None, None)
        found = {one: read_klines(connection, series, *one.month, 10_000) for one in present}
        valid = [copy for copy in self.made if copy[0] in found]
        for stamp, klines in valid:
            assert klines == found[stamp]
        self.made += [copy for copy in found.items() if copy not in valid]
        return len(valid)


def _random_write(store: Store, series: Series, dice: random.Random) -> None:
    at = dice.randrange(len(HOURS) - 30)
    some = HOURS[at : at + dice.randrange(1, 30)]
    way = dice.randrange(5)
    if way == 0:
        some = [kline._replace(close=f"{dice.randrange(9)}.00000000") for kline in some]
    elif way == 1:
        some = [
            kline._replace(open_time_ms=kline.open_time_ms + dice.choice((0, 1))) for kline in some
        ]
    if way < 4:
        write_klines(store, series, some, batch(dice.randrange(10**9)))
    else:
        newest = rows(store, "SELECT MAX(open_time_ms) AS ms FROM klines")[0]["ms"]
        later = [kline for kline in HOURS if kline.open_time_ms > (newest or 0)][:50]
        if later:
            with store.begin() as connection:
                write_watermark(connection, series, Interval.H1.floor(newest or 0))
            stream(store, series, later)


def _at_once(work: list[Callable[[], object]]) -> None:
    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(one) for one in work]:
            done.result()


def test_valid_copies_are_true_while_several_write(store: Store, series: Series) -> None:
    begin(store, series, HOURS[:500])
    copies = Copies()
    compared = 0

    def write(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(25):
            _random_write(store, series, dice)

    def look() -> None:
        nonlocal compared
        for _ in range(40):
            with store.read() as connection:
                compared += copies.look(connection, series)

    _at_once([lambda: write(1), lambda: write(2), look])
    look()

    assert compared > 0
