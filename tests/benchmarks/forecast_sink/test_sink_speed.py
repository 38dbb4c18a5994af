"""How fast the relay is beside a bare `streaming_bulk`, a rebuild's memory, and panels' time.

Run with `pytest -m benchmark -s tests/benchmarks/forecast_sink`. `KLINECAST_BENCHMARK_FORECASTS`
is the size in forecasts of 50 documents each.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from elasticsearch import Elasticsearch, helpers

from forecast_sink.cluster import open_cluster
from forecast_sink.dashboards import Setting, build_dashboards, build_ndjson
from forecast_sink.installation import install_indices
from forecast_sink.sources.registry import SOURCES
from forecast_sink.sources.scope import Choices
from market.interval import Interval
from market.store import Store, open_store
from market.store import tables as t
from market.store.outbox import announce
from market.store.schema import migrate
from support.elasticsearch import remove_ours
from support.forecasts import add_forecasts, add_klines, add_series
from support.kibana_queries import lens_queries
from support.klines import make_klines
from support.sink import deliver_all, relay_of, waiting

FORECASTS = int(os.environ.get("KLINECAST_BENCHMARK_FORECASTS", "1000"))
ROUNDS = 3
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

_REBUILD = """
import json, resource, sys, time
from forecast_sink.cluster import open_cluster
from forecast_sink.rebuilding import rebuild_index
from forecast_sink.sources.scope import Choices
from market.store import open_store

store, client = open_store(sys.argv[1]), open_cluster(sys.argv[2])
started = time.perf_counter()
_, documents = rebuild_index(store, client, "forecasts", Choices(), 0)
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"documents": documents, "seconds": seconds, "peak": peak}))
"""


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """A store with one series, its klines and forecasts."""
    opened = open_store(sqlite_url)
    migrate(opened)
    series = add_series(opened, "BTCUSDT", Interval.H1)
    klines = make_klines(Interval.H1, FORECASTS + 60)
    add_klines(opened, series, klines)
    add_forecasts(opened, series, klines[:FORECASTS])
    yield opened
    opened.close()


@pytest.fixture
def client(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    """A client of a node that holds our empty indices."""
    with closing(open_cluster(elasticsearch_url)) as opened:
        remove_ours(elasticsearch_url)
        install_indices(opened)
        yield opened
        remove_ours(elasticsearch_url)


def tell(line: str) -> None:
    sys.stdout.write(f"\n{line}\n")


def iter_keys(store: Store) -> Iterator[list[str]]:
    with store.read() as connection:
        scope = Choices().read_scope(connection, 0)
    yield from SOURCES["forecasts"].iter_keys(store, scope)


def bare_actions(store: Store) -> list[dict[str, Any]]:
    """Return the forecasts' and signals' documents as `streaming_bulk` wants them."""
    actions = []
    for keys in iter_keys(store):
        with store.read() as connection:
            scope = Choices().read_scope(connection, 0)
            found = SOURCES["forecasts"].spread(connection, keys, scope)  # type: ignore[misc]  # it has one
        for documents in found.values():
            assert not isinstance(documents, str)
            for one in documents:
                target = {"_op_type": "update", "_index": one.alias, "_id": one.identity}
                actions.append({**target, "doc": one.body, "doc_as_upsert": True})
    return actions


def test_relay_beside_a_bare_bulk(
    store: Store, client: Elasticsearch, elasticsearch_url: str
) -> None:
    actions = bare_actions(store)
    rates: dict[str, list[float]] = {"bare": [], "relay": []}
    for _ in range(ROUNDS):
        reset(client, elasticsearch_url)
        started = time.perf_counter()
        for ok, item in helpers.streaming_bulk(client, actions, chunk_size=500):
            assert ok, item
        rates["bare"].append(len(actions) / (time.perf_counter() - started))
        reset(client, elasticsearch_url)
        with store.begin() as connection:
            connection.execute(t.outbox.delete())
        for keys in iter_keys(store):
            with store.begin() as connection:
                announce(connection, "forecasts", keys, 1)
        started = time.perf_counter()
        deliver_all(relay_of(store, client))
        rates["relay"].append(len(actions) / (time.perf_counter() - started))
        assert waiting(store) == 0
    shown = {name: [round(rate) for rate in sorted(own)] for name, own in rates.items()}
    ratio = statistics.median(rates["relay"]) / statistics.median(rates["bare"])
    tell(f"{len(actions)} documents, n = {ROUNDS}, documents/s {shown}, ratio {ratio:.2f}")
    tell(f"load {os.getloadavg()}")


def reset(client: Elasticsearch, url: str) -> None:
    remove_ours(url)
    install_indices(client)


def test_memory_of_a_rebuild(
    store: Store, client: Elasticsearch, sqlite_url: str, elasticsearch_url: str
) -> None:
    command = [sys.executable, "-c", _REBUILD, sqlite_url, elasticsearch_url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    rate = told["documents"] / told["seconds"]
    tell(f"{told['documents']} documents, {rate:.0f}/s, RSS {told['peak'] / 1024:.0f} MiB")
    tell(f"load {os.getloadavg()}")
    assert told["documents"] == FORECASTS * 50


def test_time_of_a_dashboards_queries(store: Store, client: Elasticsearch) -> None:
    deliver_all(relay_of(store, client))
    client.indices.refresh(index="klinecast-*")
    dashboards = build_dashboards(Setting())
    ndjson = build_ndjson(*dashboards)
    for dashboard in dashboards:
        queries = list(lens_queries(ndjson, dashboard))
        seconds = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            for query in queries:
                query.ask(client)
            seconds.append(time.perf_counter() - started)
        tell(f"{dashboard.title}: {len(queries)} queries, {statistics.median(seconds):.3f} s")
    tell(f"{FORECASTS * 50} documents, n = {ROUNDS}, load {os.getloadavg()}")
