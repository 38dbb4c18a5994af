"""One way to bring monthly files into a store, timed: `ways.py WAY STORE_URL SOURCE [START]`.

Prints [klines, seconds, peak RSS in MiB]. Starting Python, imports and what a baseline gets
ready-made are not timed.
"""

from __future__ import annotations

import csv
import io
import json
import resource
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url

from market.interval import Interval
from market.store import open_store
from market.store.symbols import find_series
from market.times import parse_time_ms
from support.archive import MICROSECONDS_FROM_MS

COLUMNS = (
    "symbol_id, interval_id, open_time_ms, open, high, low, close, volume, close_time_ms,"
    " quote_asset_volume, number_of_trades, taker_buy_base_asset_volume,"
    " taker_buy_quote_asset_volume, `ignore`, irregular, batch_id"
)


def backfill(url: str, source: str, start: str) -> tuple[int, float]:
    from populate_base import archive_columns, archive_load  # noqa: F401  imported before the start
    from support.populator import make_backfill, opened_sources

    store = open_store(url)
    with store.read() as connection:
        series = find_series(connection, "BTCUSDT", Interval.M1)
    with opened_sources(source, source, store) as sources:
        started = time.perf_counter()
        report = make_backfill(store, sources).run(series, parse_time_ms("start", start), None)
        seconds = time.perf_counter() - started
    assert report.missing == []
    assert set(report.batches) == {"archive_monthly"}, report.batches
    return report.inserted, seconds


def months(source: str) -> Iterator[list[list[str]]]:
    """Yield the rows of each month but the last, which is not over; times in milliseconds."""
    for path in sorted(Path(source).glob("*.zip"))[:-1]:
        with zipfile.ZipFile(path) as zipped:
            text = zipped.read(zipped.namelist()[0]).decode()
        rows = list(csv.reader(io.StringIO(text)))
        if int(rows[0][0]) >= MICROSECONDS_FROM_MS * 1000:
            rows = [[row[0][:13], *row[1:6], row[6][:13], *row[7:]] for row in rows]
        yield rows


def load_data(url: str, source: str, _start: str) -> tuple[int, float]:
    """LOAD DATA of ready files, one commit a file, through the bare driver."""
    import mysql.connector

    at = make_url(url)
    connection = mysql.connector.connect(
        host=at.host, port=at.port, user=at.username, password=at.password, database=at.database,
        use_pure=False, allow_local_infile=True,
    )  # fmt: skip
    klines, seconds = 0, 0.0
    for number, rows in enumerate(months(source)):
        ready = Path(source).parent / f"ready-{number}.tsv"
        with ready.open("w") as file:
            for row in rows:
                file.write("\t".join(("1", "2", *row, "0", "1")) + "\n")
        klines += len(rows)
        started = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(f"LOAD DATA LOCAL INFILE '{ready}' INTO TABLE klines ({COLUMNS})")
            connection.commit()
        seconds += time.perf_counter() - started
        ready.unlink()
    connection.close()
    return klines, seconds


def pandas_upsert(url: str, source: str, _start: str) -> tuple[int, float]:
    """What most write: pandas reads the zip, executemany upserts its rows. Two months of it."""
    import mysql.connector
    import pandas as pd

    at = make_url(url)
    connection = mysql.connector.connect(
        host=at.host, port=at.port, user=at.username, password=at.password, database=at.database,
        use_pure=False,
    )  # fmt: skip
    names = COLUMNS.split(", ")
    updates = ", ".join(f"{name} = VALUES({name})" for name in names[3:])
    statement = (
        f"INSERT INTO klines ({COLUMNS}) VALUES ({', '.join(['%s'] * 16)})"
        f" ON DUPLICATE KEY UPDATE {updates}"
    )
    klines = 0
    started = time.perf_counter()
    for path in sorted(Path(source).glob("*.zip"))[:2]:
        frame = pd.read_csv(path, header=None, names=range(12), dtype=dict.fromkeys(range(12), str))
        times = frame[[0, 6]].astype("int64")
        frame[[0, 6]] = times.where(times < MICROSECONDS_FROM_MS * 1000, times // 1000)
        rows = [(1, 2, *row, 0, 1) for row in frame.itertuples(index=False)]
        with connection.cursor() as cursor:
            for first in range(0, len(rows), 5_000):
                cursor.executemany(statement, rows[first : first + 5_000])
        connection.commit()
        klines += len(rows)
    seconds = time.perf_counter() - started
    connection.close()
    return klines, seconds


def executemany(url: str, source: str, _start: str) -> tuple[int, float]:
    """Insert ready tuples, one commit a file, with the store's own connection settings."""
    store = open_store(url)
    statement = f"INSERT INTO klines ({COLUMNS}) VALUES ({', '.join('?' * 16)})"
    klines, seconds = 0, 0.0
    for rows in months(source):
        ready = [(1, 2, int(r[0]), *r[1:6], int(r[6]), r[7], int(r[8]), *r[9:], 0, 1) for r in rows]
        klines += len(ready)
        started = time.perf_counter()
        with store.begin() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.executemany(statement, ready)
        seconds += time.perf_counter() - started
    return klines, seconds


if __name__ == "__main__":
    way, store_url, source, *rest = sys.argv[1:]
    ways = {one.__name__: one for one in (backfill, load_data, pandas_upsert, executemany)}
    klines, seconds = ways[way](store_url, source, rest[0] if rest else "2024-01-01")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps([klines, seconds, peak_mib]) + "\n")
