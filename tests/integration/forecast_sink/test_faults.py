"""Faults on the way and wrong servers: afterwards index and store agree, document by document."""

from __future__ import annotations

import random
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from forecast_sink.cluster import open_cluster
from forecast_sink.installation import install_indices
from forecast_sink.relay import Relay
from forecast_sink.retention import trim_aged, trim_klines
from forecast_sink.sources.scope import Choices
from forecast_sink.verification import compare
from market.clock import ExchangeClock, Reading
from market.errors import ServiceUnavailable
from market.interval import Interval
from market.store import Store
from market.store.symbols import Series
from support.counting_proxy import counting
from support.forecasts import add_forecasts, add_klines
from support.klines import make_klines
from support.recording_server import recording
from support.sink import relay_of, run_sink, waiting

CHOICES = Choices()


def deliver_stubbornly(relay: Relay, store: Store) -> int:
    """Deliver until nothing waits, as the relay's loop does without its pauses; count failures."""
    failures = 0
    while waiting(store):
        try:
            relay.deliver()
        except ServiceUnavailable:
            failures += 1
            assert failures < 1000
    return failures


@pytest.mark.parametrize("seed", [1, 2])
def test_storm_of_refusals_loses_nothing_and_doubles_nothing(
    store: Store, series: Series, client: Elasticsearch, elasticsearch_url: str, seed: int
) -> None:
    """Two of three bulk requests are refused as too many or too large, at random."""
    install_indices(client)
    dice = random.Random(seed)
    klines = make_klines(Interval.H1, 300)
    add_klines(store, series, klines)
    add_forecasts(store, series, klines[200:300:10])

    def refuse(size: int) -> int:
        if size > 100_000:
            return 413
        return 429 if dice.random() < 0.66 else 0

    with counting(elasticsearch_url, refuse) as proxy, open_cluster(proxy.url) as stormy:
        failures = deliver_stubbornly(relay_of(store, stormy), store)

    assert failures > 0
    report = compare(store, client, CHOICES, 0)
    assert report.agrees, report.as_lines()
    assert report.forecasts == (500, 500)
    assert report.klines == (300, 300)


def test_index_made_read_only_by_a_full_disk_costs_no_letter(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    install_indices(client)
    klines = make_klines(Interval.H1, 30)
    add_klines(store, series, klines)
    add_forecasts(store, series, klines[-1:])
    block = "index.blocks.read_only_allow_delete"
    client.indices.put_settings(index="klinecast-*", settings={block: True})
    relay = relay_of(store, client)

    with pytest.raises(ServiceUnavailable, match="cluster_block_exception"):
        relay.deliver()
    assert waiting(store) == 31
    client.indices.put_settings(index="klinecast-*", settings={block: None})
    deliver_stubbornly(relay, store)

    report = compare(store, client, CHOICES, 0)
    assert report.agrees, report.as_lines()


def test_clock_that_is_years_ahead_empties_no_index(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    install_indices(client)
    klines = make_klines(Interval.H1, 30)
    add_klines(store, series, klines)
    add_forecasts(store, series, klines[-2:])
    clock = ExchangeClock(lambda: 0.0)
    clock.record(Reading(klines[-1].close_time_ms + 20 * 365 * 86_400_000, 0.0))

    deliver_stubbornly(relay_of(store, client, clock), store)

    assert trim_klines(store, client, 5000) + trim_aged(store, client, CHOICES) == 0
    assert compare(store, client, CHOICES, clock.now_ms()).agrees


def test_opensearch_in_its_place_is_told_in_a_line() -> None:
    with recording() as server:
        server.product = "OpenSearch"
        version = {"number": "2.19.1", "distribution": "opensearch"}
        server.answer("GET /", (200, {"version": version}))

        done = run_sink({"KLINECAST_ELASTICSEARCH_URL": server.url}, "install", "--wait", "0")

    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert "something else answers there" in done.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:9200", "elastic", "ftp://127.0.0.1"])
def test_url_without_a_scheme_is_told_in_a_line(url: str) -> None:
    done = run_sink({"KLINECAST_ELASTICSEARCH_URL": url}, "install", "--wait", "0")

    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert "KLINECAST_ELASTICSEARCH_URL" in done.stderr
    assert "a URL such as http://user:password@host:9200" in done.stderr


def test_certificate_that_is_not_trusted_is_told_in_a_line(tmp_path: Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed, which makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *(program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            url = f"https://elastic:secret@127.0.0.1:{listening.server_address[1]}"
            done = run_sink({"KLINECAST_ELASTICSEARCH_URL": url}, "install", "--wait", "0")
        finally:
            listening.shutdown()
            thread.join()

    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert "certificate" in done.stderr.lower()
    assert "secret" not in done.stderr
