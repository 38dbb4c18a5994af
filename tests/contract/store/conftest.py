"""One migrated database on every engine; each test finds it empty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from market.interval import Interval
from market.store import Store, open_store
from market.store.schema import migrate
from market.store.symbols import Series
from market.store.tables import metadata
from support.databases import fresh_database
from support.stores import add_series

ENGINES = ("sqlite", "mariadb", "mysql", "tidb")
SERVERS = ENGINES[1:]


@contextmanager
def empty_database(request: pytest.FixtureRequest, engine: str) -> Iterator[str]:
    if engine == "sqlite":
        folder = request.getfixturevalue("tmp_path_factory").mktemp("sqlite")
        yield f"sqlite:///{folder / 'store.db'}"
        return
    with fresh_database(request.getfixturevalue(f"{engine}_server")) as url:
        yield url


@pytest.fixture(scope="session", params=ENGINES)
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a migrated database."""
    with empty_database(request, request.param) as url:
        store = open_store(url)
        migrate(store)
        store.close()
        yield url


@pytest.fixture(params=ENGINES)
def empty_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database without a schema."""
    with empty_database(request, request.param) as url:
        yield url


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """A migrated store without a row."""
    store = open_store(database)
    yield store
    empty(store)
    store.close()


def empty(store: Store) -> None:
    """Delete every row but the sixteen intervals."""
    with store.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name != "intervals":
                connection.execute(table.delete())


@pytest.fixture
def series(store: Store) -> Series:
    """BTCUSDT 1h, known to the store."""
    return add_series(store, "BTCUSDT", Interval.H1)
