"""The populator against a real simulator and a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from market.kline import Kline
from market.store import Store
from populate_base.backfill import Sources
from support.populator import HOURS, opened_sources, opened_store, write_hours
from support.simulator import Simulator


@pytest.fixture(scope="session")
def hours() -> list[Kline]:
    """The klines of BTCUSDT 1h that the simulator serves."""
    return HOURS


@pytest.fixture
def simulator_data(tmp_path: Path) -> Path:
    """Archive files of `hours`."""
    write_hours(tmp_path / "archive")
    return tmp_path / "archive"


@pytest.fixture
def simulator_options() -> tuple[str, ...]:
    """A frozen clock in the middle of the second month."""
    return ("--now", "2024-02-15T12:30:00Z", "--speed", "0")


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """A SQLite store with its schema."""
    with opened_store(sqlite_url) as store:
        yield store


@pytest.fixture
def sources(simulator: Simulator, store: Store) -> Iterator[Sources]:
    """The simulator's REST API and archive."""
    with opened_sources(simulator.url, simulator.url, store) as sources:
        yield sources
