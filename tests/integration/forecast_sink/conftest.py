"""A clean index, a filled store, and the relay as a real process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from forecast_sink.cluster import open_cluster
from market.interval import Interval
from market.store import Store, open_store
from market.store.schema import migrate
from market.store.symbols import Series
from support.elasticsearch import remove_ours
from support.forecasts import add_series
from support.sink import RelayProcess, StartRelay, run_relay_process


@pytest.fixture
def client(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    """A client of a node that holds nothing of ours."""
    with closing(open_cluster(elasticsearch_url)) as opened:
        remove_ours(elasticsearch_url)
        yield opened
        remove_ours(elasticsearch_url)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(sqlite_url)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def series(store: Store) -> Series:
    """BTCUSDT 1h, known to the store."""
    return add_series(store, "BTCUSDT", Interval.H1)


@pytest.fixture
def start_relay(sqlite_url: str, elasticsearch_url: str, tmp_path: Path) -> StartRelay:
    """Starts relays one after another; each is ended with its context."""

    def start(**settings: str) -> AbstractContextManager[RelayProcess]:
        environment = {
            "KLINECAST_STORE_URL": sqlite_url,
            "KLINECAST_ELASTICSEARCH_URL": elasticsearch_url,
            **settings,
        }
        return run_relay_process(environment, tmp_path / "relay.log")

    return start
