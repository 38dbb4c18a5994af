"""Servers that are down, full or refusing: nothing is lost, and the reason is told."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from forecast_sink.cluster import open_cluster
from forecast_sink.installation import install_indices
from market.interval import Interval
from market.store import Store
from market.store.symbols import Series
from support.elasticsearch import run_node
from support.forecasts import add_forecasts, add_klines
from support.klines import make_klines
from support.ports import free_port
from support.recording_server import recording
from support.servers import NotHere
from support.sink import (
    StartRelay,
    documents,
    run_sink,
    wait_for_empty_outbox,
    waiting,
)

KLINES, FORECASTS = "klinecast-klines", "klinecast-forecasts"


def test_relay_delivers_later_what_a_stopped_elasticsearch_missed(
    store: Store, series: Series, start_relay: StartRelay, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    klines = make_klines(Interval.H1, 60)
    try:
        with run_node(tmp_path / "node", port=port), open_cluster(url) as client:
            install_indices(client)
    except NotHere as reason:
        pytest.skip(f"no Elasticsearch of our own to stop: {reason}")

    with start_relay(KLINECAST_ELASTICSEARCH_URL=url) as relay:
        add_klines(store, series, klines)
        add_forecasts(store, series, klines[-2:])
        while "does not answer" not in relay.readiness()[1].get("relay", ""):
            time.sleep(0.1)
        status, checks = relay.readiness()
        assert status == 503
        assert "does not answer" in checks["elasticsearch"]
        assert waiting(store) == 62

        with run_node(tmp_path / "node", port=port), open_cluster(url) as client:
            wait_for_empty_outbox(store, relay)
            relay.wait_until_ready()
            assert len(documents(client, KLINES)) == 60
            assert len(documents(client, FORECASTS)) == 100


def test_relay_waits_for_a_store_that_is_missing(
    client: Elasticsearch, start_relay: StartRelay
) -> None:
    install_indices(client)
    url = f"mysql://nobody:nothing@127.0.0.1:{free_port()}/market"
    with start_relay(KLINECAST_STORE_URL=url) as relay:
        while relay.readiness()[1].get("store", "ok") == "ok":
            assert relay.process.poll() is None
            time.sleep(0.1)

        assert relay.readiness()[0] == 503
        relay.process.terminate()
        assert relay.process.wait(10) == 0


def test_relay_refuses_a_store_of_another_schema(
    store: Store, sqlite_url: str, client: Elasticsearch, start_relay: StartRelay
) -> None:
    install_indices(client)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with start_relay() as relay:
        assert relay.process.wait(30) == 1

    assert "error: the store's schema is 9999" in relay.log.read_text()


def test_relay_names_a_port_in_use(elasticsearch_url: str, sqlite_url: str, store: Store) -> None:
    with recording() as server:
        environment = {
            "KLINECAST_STORE_URL": sqlite_url,
            "KLINECAST_ELASTICSEARCH_URL": elasticsearch_url,
            "SINK_PORT": server.url.rpartition(":")[2],
        }

        done = run_sink(environment, "relay")

    assert done.returncode == 1
    assert "Address already in use" in done.stderr


def test_wrong_password_is_told_without_showing_it(
    store: Store, series: Series, start_relay: StartRelay
) -> None:
    with recording() as server:
        server.answer("GET /", (401, {"error": {"type": "security_exception", "reason": "no"}}))
        url = server.url.replace("http://", "http://elastic:hunter2@")
        with start_relay(KLINECAST_ELASTICSEARCH_URL=url) as relay:
            while "security_exception" not in relay.readiness()[1].get("relay", ""):
                assert relay.process.poll() is None
                time.sleep(0.1)
            status, checks = relay.readiness()

    assert status == 503
    assert "hunter2" not in str(checks) + relay.log.read_text()
