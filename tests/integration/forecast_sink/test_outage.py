"""Servers that are down, full or refusing: nothing is lost, and the reason is told."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from forecast_sink.bulk import Bulk
from forecast_sink.cluster import open_cluster
from forecast_sink.documents import Document, StepChoice, build_kline_document
from forecast_sink.installation import install_indices
from forecast_sink.relay import Relay
from market.clock import ExchangeClock
from market.errors import ServiceUnavailable
from market.interval import Interval
from market.store import Store
from market.store.outbox import announce, read_dead_letters
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


def relay_of(store: Store, client: Elasticsearch) -> Relay:
    return Relay(store, client, StepChoice(), ExchangeClock())


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


def test_rejected_document_is_a_dead_letter_until_it_is_retried(
    store: Store,
    series: Series,
    client: Elasticsearch,
    sqlite_url: str,
    elasticsearch_url: str,
) -> None:
    install_indices(client)
    client.indices.delete(index=f"{KLINES}-000001")
    narrow = {"dynamic": "strict", "_meta": {"managed_by": "klinecast", "version": 1}}
    client.indices.create(
        index="other-klines",
        mappings={**narrow, "properties": {"symbol": {"type": "keyword"}}},
        aliases={KLINES: {}},
    )
    environment = {
        "KLINECAST_STORE_URL": sqlite_url,
        "KLINECAST_ELASTICSEARCH_URL": elasticsearch_url,
    }
    try:
        klines = make_klines(Interval.H1, 2)
        add_klines(store, series, klines)
        add_forecasts(store, series, klines[:1])
        relay = relay_of(store, client)
        relay.deliver()

        with store.read() as connection:
            letters = read_dead_letters(connection)
        listed = run_sink(environment, "dead", "list")
    finally:
        client.indices.delete(index="other-klines")
    assert (len(letters), waiting(store)) == (2, 0)
    assert len(documents(client, FORECASTS)) == 50
    assert "mapping set to strict" in listed.stderr
    assert "2 dead letters" in listed.stderr

    install_indices(client)
    one = run_sink(environment, "dead", "retry", "--key", letters[0][1])
    unknown = run_sink(environment, "dead", "drop", "--key", "nothing")
    relay.deliver()
    dropped = run_sink(environment, "dead", "drop", "--json")

    assert "1 dead letters announced again" in one.stderr
    assert unknown.returncode == 1
    assert "there is no dead letter 'nothing'" in unknown.stderr
    assert list(documents(client, KLINES)) == [letters[0][1]]
    assert dropped.stdout == '{"dropped":1}\n'


def test_delivering_a_dead_letter_after_all_buries_it_no_longer(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    install_indices(client)
    key = f"BTCUSDT|1h|ridge-0123456789ab|{make_klines(Interval.H1, 1)[0].open_time_ms}"
    with store.begin() as connection:
        announce(connection, "forecasts", [key], 1)
    relay = relay_of(store, client)
    relay.deliver()
    with store.read() as connection:
        assert read_dead_letters(connection)[0][2] == "the ledger holds no such forecast"

    add_forecasts(store, series, make_klines(Interval.H1, 1))
    relay.deliver()

    with store.read() as connection:
        assert read_dead_letters(connection) == []


@pytest.mark.parametrize(
    ("index", "key", "reason"),
    [
        ("surprises", "a", "there is no such index"),
        ("klines", "BTCUSDT|7m|0", "interval was '7m'"),
        ("klines", "NOSUCH|1h|0", "symbol 'NOSUCH' is not known"),
        ("klines", "nonsense", "not enough values"),
        ("forecasts", "nonsense", "forecast_id was 'nonsense'"),
    ],
)
def test_key_that_names_nothing_is_a_dead_letter(
    store: Store, client: Elasticsearch, index: str, key: str, reason: str
) -> None:
    install_indices(client)
    with store.begin() as connection:
        announce(connection, index, [key], 1)

    relay_of(store, client).deliver()

    with store.read() as connection:
        assert reason in read_dead_letters(connection)[0][2]
    assert waiting(store) == 0


def test_missing_alias_becomes_no_index_and_costs_no_letter(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    install_indices(client)
    add_klines(store, series, make_klines(Interval.H1, 3))
    relay = relay_of(store, client)
    relay.deliver()
    add_klines(store, series, make_klines(Interval.H1, 3, seed=2))
    client.indices.delete(index=f"{KLINES}-000001")

    with pytest.raises(ServiceUnavailable, match="require_alias"):
        relay.deliver()

    assert waiting(store) == 3
    assert not client.indices.exists(index=KLINES)


def test_requests_larger_than_the_server_takes_are_split(tmp_path: Path) -> None:
    limit = {"http.max_content_length": "64kb"}
    klines = make_klines(Interval.H1, 1500)
    wanted = [build_kline_document("BTCUSDT", Interval.H1, kline) for kline in klines]
    whale = Document(KLINES, "whale", {"symbol": "x" * 100_000})
    try:
        with (
            run_node(tmp_path / "node", settings=limit) as node,
            open_cluster(node.url) as client,
        ):
            install_indices(client)

            outcomes = Bulk(client).write([*wanted[:700], whale, *wanted[700:]])

            assert len(documents(client, KLINES)) == 1500
    except NotHere as reason:
        pytest.skip(f"no Elasticsearch with a limit of our own: {reason}")
    refused = outcomes.pop(700)
    assert refused is not None
    assert not refused.may_pass
    assert "HTTP 413 for a document of 100" in refused.reason
    assert outcomes == [None] * 1500


def test_whole_request_refused_as_busy_may_pass_later() -> None:
    klines = make_klines(Interval.H1, 3)
    wanted = [build_kline_document("BTCUSDT", Interval.H1, kline) for kline in klines]
    with recording() as server, open_cluster(server.url) as client:
        busy = {"error": {"type": "es_rejected_execution_exception", "reason": "queue is full"}}
        done = {"items": [{"update": {"_id": one.identity, "status": 201}} for one in wanted]}
        server.answer("PUT /_bulk", (429, busy), (200, done))
        bulk = Bulk(client)

        first, second = bulk.write(wanted), bulk.write(wanted)

    assert {outcome.may_pass for outcome in first if outcome is not None} == {True}
    assert "HTTP 429: es_rejected_execution_exception: queue is full" in str(first[0])
    assert second == [None, None, None]


@pytest.mark.parametrize(
    ("status", "may_pass"), [(400, False), (404, True), (429, True), (503, True)]
)
def test_item_refused_for_its_content_alone_is_refused_for_good(
    status: int, may_pass: bool
) -> None:
    wanted = build_kline_document("BTCUSDT", Interval.H1, make_klines(Interval.H1, 1)[0])
    with recording() as server, open_cluster(server.url) as client:
        error = {"type": "some_exception", "reason": "because"}
        item = {"update": {"_id": wanted.identity, "status": status, "error": error}}
        server.answer("PUT /_bulk", (200, {"errors": True, "items": [item]}))

        (outcome,) = Bulk(client).write([wanted])

    assert outcome == ("some_exception: because", may_pass)


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


@pytest.mark.parametrize(
    ("version", "problem"),
    [("7.17.0", "with version 7.17.0"), ("10.0.0", "with version 10.0.0"), ("x", "version x")],
)
def test_server_of_another_age_is_refused(version: str, problem: str) -> None:
    with recording() as server:
        server.answer("GET /", (200, {"version": {"number": version}}))

        done = run_sink({"KLINECAST_ELASTICSEARCH_URL": server.url}, "install", "--wait", "0")

    assert done.returncode == 1
    assert problem in done.stderr
    assert "expected an Elasticsearch from 8.12 to 9" in done.stderr
