"""Several writers at once, and writers that are killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store.klines import Batch, Source, Written, write_klines
from market.store.symbols import Series, Symbol, read_symbols, write_symbols
from support import kline_writer
from support.klines import make_klines
from support.stores import BATCH, add_series, count, rows, stored

KLINES = make_klines(Interval.H1, 600)
WRITERS = 4
BATCH_SIZE = 3000


def at_once(work: Callable[[int], Written]) -> list[Written]:
    """Run `work(0)` to `work(WRITERS - 1)` in threads; raise what any of them raises."""
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(work, range(WRITERS)))


def test_writers_of_the_same_klines_write_each_once(store: Store, series: Series) -> None:
    def write(number: int) -> Written:
        done = Written(0, 0)
        parts = [KLINES[start : start + 150] for start in range(0, 600, 75)]
        random.Random(number).shuffle(parts)
        for part in parts:
            one = write_klines(store, series, part, BATCH, announce_from_ms=0)
            done = Written(done.inserted + one.inserted, done.changed + one.changed)
        return done

    written = at_once(write)

    assert stored(store, series) == KLINES
    assert sum(one.inserted for one in written) == len(KLINES)
    assert sum(one.changed for one in written) == 0
    assert count(store, "kline_revisions") == 0
    assert count(store, "outbox") == len(KLINES)


def test_writers_that_disagree_leave_every_value_they_replaced(
    store: Store, series: Series
) -> None:
    def variant(number: int) -> list[Kline]:
        return [kline._replace(close=f"{number + 1}.00000001") for kline in KLINES[:200]]

    written = at_once(lambda number: write_klines(store, series, variant(number), BATCH))

    assert sum(one.inserted for one in written) == 200
    assert sum(one.changed for one in written) == 200 * (WRITERS - 1)
    kept = Counter((kline.open_time_ms, kline.close) for kline in stored(store, series))
    for row in rows(store, "SELECT open_time_ms, close FROM kline_revisions"):
        kept[(row["open_time_ms"], f"{row['close']}")] += 1
    given = (kline for number in range(WRITERS) for kline in variant(number))
    assert kept == Counter((kline.open_time_ms, kline.close) for kline in given)


def test_writers_of_different_symbols_do_not_mix(store: Store) -> None:
    several = [add_series(store, f"{name}USDT", Interval.H1) for name in ("BTC", "ETH", "SOL", "X")]

    at_once(lambda number: write_klines(store, several[number], KLINES[number:], BATCH))

    for number, series in enumerate(several):
        assert stored(store, series) == KLINES[number:]


def test_symbols_seen_by_several_processes_are_stored_once(store: Store) -> None:
    names = [f"C{number}USDT" for number in range(50)]

    def write(number: int) -> Written:
        mixed = random.Random(number).sample(names, len(names))
        write_symbols(store, [Symbol(n, n[:-4], "USDT", "TRADING", "{}") for n in mixed], number)
        return Written(0, 0)

    at_once(write)

    with store.read() as connection:
        assert [symbol.symbol for _, symbol in read_symbols(connection)] == sorted(names)


def test_killed_writer_leaves_whole_batches(store: Store, tmp_path: Path) -> None:
    series = add_series(store, "BTCUSDT", Interval.M1)
    url = store.engine.url.render_as_string(hide_password=False)

    for seed in range(3):
        _write_until_killed(url, 0.05 + 0.25 * random.Random(seed).random())
        _wait_for_rollback(store)

        sizes = rows(store, "SELECT batch_id, COUNT(*) AS n FROM klines GROUP BY batch_id")
        assert {row["n"] for row in sizes} <= {BATCH_SIZE}
        batches = {row["id"] for row in rows(store, "SELECT id FROM ingest_batches")}
        assert {row["batch_id"] for row in sizes} == batches
        assert count(store, "kline_staging") == 0
        assert count(store, "outbox") == count(store, "klines")
        last = stored(store, series)
        again = write_klines(store, series, last, Batch(Source.REST, "again", 1))
        assert again == Written(0, 0)
        with store.begin() as connection:
            for table in ("outbox", "klines", "ingest_batches"):
                connection.exec_driver_sql(f"DELETE FROM {table}")


def _write_until_killed(url: str, seconds: float) -> None:
    folder = Path(kline_writer.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, kline_writer.__file__, url, "BTCUSDT", str(BATCH_SIZE)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        process.kill()
        process.wait()


def _wait_for_rollback(store: Store) -> None:
    """Wait until the server noticed that the writer is gone: the symbol's lock is free."""
    with store.begin() as connection:
        connection.exec_driver_sql("UPDATE symbols SET status = 'SEEN'")
