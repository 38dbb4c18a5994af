"""Two relays on one store: each document is sent once, and none is lost with either."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from forecast_sink.installation import install_indices
from market.interval import Interval
from market.store import Store, open_store
from market.store.leases import read_lease
from market.store.outbox import kline_key
from market.store.schema import migrate
from market.store.symbols import Series
from support.counting_proxy import CountingProxy, counting
from support.forecasts import add_forecasts, add_klines
from support.klines import make_klines
from support.processes import wait_until
from support.sink import (
    RelayProcess,
    deliver_all,
    documents,
    relay_of,
    run_relay_process,
    wait_for_empty_outbox,
    waiting,
)

KLINES, FORECASTS = "klinecast-klines", "klinecast-forecasts"

StartNext = Callable[[], RelayProcess]


@pytest.fixture(params=["sqlite", "mysql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of either kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(store_url)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def proxy(elasticsearch_url: str, client: Elasticsearch) -> Iterator[CountingProxy]:
    """A proxy before an Elasticsearch that holds our empty indices."""
    install_indices(client)
    with counting(elasticsearch_url) as opened:
        yield opened


@pytest.fixture
def start_next(
    store: Store, store_url: str, proxy: CountingProxy, tmp_path: Path
) -> Iterator[StartNext]:
    """Starts one more relay; all of them send through the proxy."""
    with ExitStack() as running:
        started: list[RelayProcess] = []

        def start() -> RelayProcess:
            environment = {
                "KLINECAST_STORE_URL": store_url,
                "KLINECAST_ELASTICSEARCH_URL": proxy.url,
            }
            log = tmp_path / f"relay-{len(started)}.log"
            started.append(running.enter_context(run_relay_process(environment, log)))
            return started[-1]

        yield start


def held_by(relay: RelayProcess) -> str:
    return f"standing by: the lease is held by {socket.gethostname()}:{relay.process.pid} until 2"


def test_two_relays_send_each_document_once(
    store: Store,
    series: Series,
    client: Elasticsearch,
    proxy: CountingProxy,
    start_next: StartNext,
) -> None:
    first = start_next()
    first.wait_until_ready()
    second = start_next()
    second.wait_until_standing_by()
    klines = make_klines(Interval.H1, 600)

    for start in range(0, 600, 50):
        add_klines(store, series, klines[start : start + 50])
        add_forecasts(store, series, klines[start : start + 2])
    wait_for_empty_outbox(store, first)

    indexed = documents(client, KLINES)
    assert {one: proxy.sent[one] for one in indexed} == dict.fromkeys(indexed, 1)
    steps = documents(client, FORECASTS)
    assert (len(indexed), len(steps)) == (600, 24 * 50)
    # As it was made, and once more with its truth where the kline had closed.
    assert all(proxy.sent[one] <= 1 + ("actual" in body) for one, body in steps.items())
    status, checks = second.readiness()
    assert (status, checks["relay"]) == (200, "ok")
    assert checks["lease"].startswith(held_by(first))
    assert first.readiness() == (200, dict.fromkeys(checks, "ok"))
    lease = "forecast_sink_lease_held"
    assert (first.metric(lease), second.metric(lease)) == (1, 0)


def test_second_relay_takes_over_from_one_that_was_killed(
    store: Store,
    series: Series,
    client: Elasticsearch,
    proxy: CountingProxy,
    start_next: StartNext,
) -> None:
    first = start_next()
    first.wait_until_ready()
    second = start_next()
    second.wait_until_standing_by()
    klines = make_klines(Interval.H1, 1500)
    add_klines(store, series, klines)

    wait_until(  # in the middle of its work
        lambda: len(proxy.sent) >= 300, "two rounds", process=first.process, log=first.log
    )
    first.process.kill()
    first.process.wait()
    rest = waiting(store)
    second.wait_until_ready()
    wait_for_empty_outbox(store, second)

    assert rest > 0
    assert sorted(documents(client, KLINES)) == sorted(
        kline_key(series, kline.open_time_ms) for kline in klines
    )
    # One round of 200 may have been sent and not yet confirmed.
    times = [proxy.sent[kline_key(series, kline.open_time_ms)] for kline in klines]
    assert set(times) <= {1, 2}
    assert times.count(2) <= 200


def test_relay_that_ends_gives_its_lease_back(
    store: Store, series: Series, client: Elasticsearch, start_next: StartNext
) -> None:
    first = start_next()
    first.wait_until_ready()
    second = start_next()
    second.wait_until_standing_by()

    first.process.terminate()
    assert first.process.wait(10) == 0
    left = read_lease(store, "relay")
    second.wait_until_ready()
    add_klines(store, series, make_klines(Interval.H1, 5))
    wait_for_empty_outbox(store, second)

    assert left is None or left.holder.name.endswith(f":{second.process.pid}")
    assert len(documents(client, KLINES)) == 5


def test_late_request_of_a_relay_that_lost_its_lease_does_not_last(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    """It read a kline, stalled, and sends it after another relay sent what came since."""
    install_indices(client)
    kline = make_klines(Interval.H1, 1)[0]
    add_klines(store, series, [kline])
    quick = relay_of(store, client)
    changed = kline._replace(close="43000.00000000", high="44000.00000000")

    class Stalling(Elasticsearch):
        """The real client, which stalls before its first bulk request."""

        is_due = True

        def perform_request(self, *arguments: object, **options: object) -> object:  # type: ignore[override]  # passed on as it is
            if Stalling.is_due and "/_bulk" in str(arguments):
                Stalling.is_due = False
                add_klines(store, series, [changed])
                deliver_all(quick)
            return super().perform_request(*arguments, **options)  # type: ignore[arg-type]  # the same

    node = next(iter(client.transport.node_pool.all())).config
    with Stalling(f"http://{node.host}:{node.port}") as stalling:
        assert relay_of(store, stalling).deliver() == 0

    assert waiting(store) == 1
    deliver_all(quick)
    (found,) = documents(client, KLINES).values()
    assert found["close"] == 43000.0
