"""The populator's parts put together as its entry points do, for tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import REGISTRY
from sqlalchemy import select

from market.clock import ExchangeClock
from market.gaps import Gap
from market.interval import Interval
from market.kline import Kline
from market.store import Store, open_store
from market.store import tables as t
from market.store.gap_ledger import read_gaps
from market.store.klines import read_klines
from market.store.schema import migrate
from market.store.symbols import Series, find_series, read_watermark
from market.times import format_time
from market.wire_clock import WireClock
from populate_base.archive import Archive
from populate_base.backfill import Backfill, Pace, Sources
from populate_base.exchange import Exchange
from populate_base.progress import LoggedProgress
from populate_base.universe import register_series
from populate_base.weight import WeightBudget
from support.archive import write_archive_file, write_archive_months
from support.klines import make_klines
from support.simulator import Simulator, find_program

#: 60 days of hours from 2024-01-01: January and February.
HOURS = make_klines(Interval.H1, 60 * 24)


def write_hours(folder: Path) -> None:
    """Write `HOURS` as archive files of BTCUSDT 1h: both months, and the days of both."""
    write_archive_months(folder, "BTCUSDT", "1h", HOURS)
    for start in range(0, len(HOURS), 24):
        day = HOURS[start : start + 24]
        date = format_time(day[0].open_time_ms)[: len("YYYY-MM-DD")]
        write_archive_file(folder, f"BTCUSDT-1h-{date}", day)


@contextmanager
def opened_store(url: str) -> Iterator[Store]:
    """Open a store and bring its schema up to date."""
    store = open_store(url)
    try:
        migrate(store)
        yield store
    finally:
        store.close()


@contextmanager
def opened_sources(rest_url: str, archive_url: str, store: Store) -> Iterator[Sources]:
    """Open REST and archive with few retries; the store keeps the request weight."""
    clock = ExchangeClock()
    weight = WeightBudget(store, WireClock())
    exchange = Exchange([rest_url], clock, weight, attempts=3)
    archive = Archive(archive_url, attempts=2)
    try:
        yield Sources(exchange, archive, clock)
    finally:
        exchange.close()
        archive.close()


def make_backfill(store: Store, sources: Sources, *, index_klines: int = 100) -> Backfill:
    """Make a backfill that shows its progress in the log."""
    return Backfill(store, sources, LoggedProgress(), Pace(2, index_klines))


def register(store: Store, sources: Sources, interval: Interval, symbol: str = "BTCUSDT") -> Series:
    """Write a symbol into the store and return one of its series."""
    (series,) = register_series(store, sources.exchange, [symbol], [interval], 0)
    return series


def run_populator(
    arguments: Sequence[str], store_url: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `populate-base` to its end."""
    return subprocess.run(
        [find_program("populate-base"), *arguments],
        env={**os.environ, "KLINECAST_STORE_URL": store_url, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def control(simulator: Simulator, what: str, **asked: object) -> dict[str, Any]:
    """Turn one of the simulator's controls: `faults` or `clock`."""
    answer = httpx.post(f"{simulator.url}/simulator/{what}", json=asked).raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


def stored_klines(store: Store, series: Series) -> list[Kline]:
    """Return every stored kline of a series."""
    with store.read() as connection:
        return read_klines(connection, series, None, None, 10_000_000)


def ledger_of(store: Store, series: Series) -> tuple[list[Gap], int | None]:
    """Return the open gaps and the watermark of a series."""
    with store.read() as connection:
        return read_gaps(connection, series, None, None), read_watermark(connection, series)


def stored_series(store: Store, interval: Interval, symbol: str = "BTCUSDT") -> Series:
    """Return a series that somebody else registered."""
    with store.read() as connection:
        return find_series(connection, symbol, interval)


def batches_of(store: Store) -> list[tuple[str, str, str | None]]:
    """Return (source, url, sha256) of every batch, oldest first."""
    b = t.ingest_batches.c
    with store.read() as connection:
        rows = connection.execute(select(b.source, b.url, b.sha256).order_by(b.id))
        return [(row[0], row[1], row[2]) for row in rows]


def requests_made() -> float:
    """Return how many requests this process has sent to REST and archive."""
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "populate_base_requests_total"
    )
