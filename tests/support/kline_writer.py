"""A process that writes batches of klines until it is killed.

usage: python kline_writer.py STORE_URL SYMBOL KLINES_PER_BATCH
"""

from __future__ import annotations

import itertools
import sys

from market.interval import Interval
from market.store import open_store
from market.store.klines import Batch, Source, write_klines
from market.store.symbols import find_series
from support.klines import START_MS, make_klines


def main(url: str, symbol: str, size: int) -> None:
    """Write batch after batch, each after the last, by both ways in turn."""
    store = open_store(url)
    with store.read() as connection:
        series = find_series(connection, symbol, Interval.M1)
    klines = make_klines(Interval.M1, size)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for number in itertools.count():
        shift_ms = number * size * 60_000
        moved = [
            kline._replace(
                open_time_ms=kline.open_time_ms + shift_ms,
                close_time_ms=kline.close_time_ms + shift_ms,
            )
            for kline in klines
        ]
        batch = Batch(Source.IMPORT, f"batch {number}", START_MS)
        write_klines(store, series, moved, batch, announce_from_ms=0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
