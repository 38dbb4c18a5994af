"""How fast a year of minutes becomes hours, and how fast counts are known, beside the plain way.

The plain way of resampling reads the klines and adds them up in Python; that of counting
counts all rows. The raw read is the driver's, of the columns that resampling needs.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from api_historic.native.resample import ResampleQuery, answer_resample
from api_historic.service import Service
from market.aggregation import iter_aggregated
from market.grid import grid_of
from market.interval import MINUTE_MS, Interval
from market.store.klines import read_klines
from market.store.month_counts import MonthCounts
from market.store.series_extents import read_series_states
from market.store.symbols import read_extents
from support.history_api import add_series, frozen_clock, new_store
from support.klines import START_MS, make_klines

pytestmark = pytest.mark.benchmark

MINUTES = 365 * 1440
ROUNDS = 3


def seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the median of several runs."""
    taken = []
    for _ in range(rounds):
        started_s = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started_s)
    return statistics.median(taken)


@pytest.mark.parametrize("engine", ["sqlite", "mysql"])
def test_a_year_of_minutes_as_hours(request: pytest.FixtureRequest, engine: str) -> None:
    store = new_store(request.getfixturevalue(f"{engine}_url"))
    series = add_series(store, "BTCUSDT", Interval.M1, make_klines(Interval.M1, MINUTES))
    service = Service(store, frozen_clock(START_MS + MINUTES * MINUTE_MS), demo=False)
    asked = {"symbol": "BTCUSDT", "interval": "1h", "start": START_MS, "limit": 10_000}
    query = ResampleQuery.model_validate(asked)
    columns = "open_time_ms, open, high, low, close, volume, quote_asset_volume"

    def resample() -> int:
        return len(answer_resample(service, query).model_dump_json())

    def read_raw() -> None:
        with store.engine.connect() as connection:
            driver = connection.connection.cursor()
            driver.execute(f"SELECT {columns} FROM klines")
            while driver.fetchmany(5_000):
                pass
            driver.close()

    def add_up() -> None:
        with store.read() as connection:
            klines = read_klines(connection, series, None, None, MINUTES)
        assert len(list(iter_aggregated(klines, Interval.M1, grid_of(Interval.H1)))) == 8_760

    ours, raw, plain = seconds(resample), seconds(read_raw, 1), seconds(add_up, 1)
    sys.stdout.write(
        f"\n{engine}: {MINUTES:,} minutes as 8,760 hours in {ours:.2f} s"
        f" ({MINUTES / ours:,.0f} klines/s); raw driver read {raw:.2f} s;"
        f" read and added up in Python {plain:.2f} s ({plain / ours:.1f}x);"
        f" load {os.getloadavg()[0]:.1f}\n"
    )

    counts = MonthCounts()

    def count_kept() -> None:
        with store.read() as connection:
            counts.read(connection, read_series_states(connection))

    def count_all() -> None:
        with store.read() as connection:
            connection.execute(text("SELECT 1"))
            read_extents(connection)

    first, kept, whole = seconds(count_kept, 1), seconds(count_kept, 9), seconds(count_all)
    sys.stdout.write(
        f"{engine}: counts of {MINUTES:,} rows: all counted {whole:.3f} s; by month"
        f" {first:.3f} s once, then {kept:.4f} s\n"
    )
