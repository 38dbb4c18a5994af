"""The relay as a process: health, the exchange's clock, and an end within ten seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from elasticsearch import Elasticsearch

from forecast_sink import metrics
from forecast_sink.cluster import open_cluster, reaching
from forecast_sink.relay import Relay
from forecast_sink.retention import keep_retention
from forecast_sink.settings import SinkSettings
from forecast_sink.watch import Watch
from market.clock import ExchangeClock, keep_measuring
from market.errors import ExchangeUnavailable, KlinecastError
from market.exchange_time import time_fetcher
from market.health import Readiness, serve_health
from market.log import get_logger
from market.store import open_store
from market.store.leases import KeptLease

log = get_logger()

#: Of all relays on a store, who has this delivers.
_LEASE = "relay"
#: A request under way at SIGTERM may be given up: what it carries is still in the outbox.
_PATIENCE_S = 8.0
_MEASURE_EVERY_S = 30.0


def run_relay(settings: SinkSettings, stop: threading.Event) -> None:
    """Relay until `stop` is set.

    Raises:
        SettingsError: a setting is wrong.
        Conflict: the port is in use.
        SchemaMismatch: the store's schema is not this version's.
    """
    store = open_store(settings.store_url.get_secret_value())
    client = open_cluster(settings.elasticsearch_url.get_secret_value())
    clock = ExchangeClock()
    relay = Relay(store, client, settings.choices, clock)
    watch = Watch(store, client, clock)
    lease = KeptLease(store, _LEASE)
    metrics.LEASE_HELD.set_function(lambda: lease.is_held)
    readiness = Readiness(
        {
            "store": lambda: store.ping(),
            "elasticsearch": lambda: _elasticsearch_problem(client),
            "relay": lambda: relay.problem,
        },
        notes={"lease": lambda: lease.standing_by},
    )
    server = serve_health(settings.host, settings.port, readiness)
    log.info("relay_started", port=server.server_address[1])
    _start_clock(clock, settings.history_url, stop)
    try:
        _run_threads(
            lambda: relay.run(stop, lease),
            {
                "retention": lambda: keep_retention(store, client, settings.choices, lease, stop),
                "watch": lambda: watch.run(stop, lease),
            },
            lease,
            stop,
        )
    finally:
        server.shutdown()
        server.server_close()
        log.info("relay_stopped")


def _run_threads(
    relay: Callable[[], None],
    beside: Mapping[str, Callable[[], None]],
    lease: KeptLease,
    stop: threading.Event,
) -> None:
    ended = threading.Event()
    failures: list[Exception] = []

    def work() -> None:
        try:
            relay()
        except Exception as error:  # noqa: BLE001  the thread's outermost loop; raised again below
            failures.append(error)
        finally:
            ended.set()
            stop.set()

    lease.start()
    threading.Thread(target=work, name="relay", daemon=True).start()
    for name, other in beside.items():
        threading.Thread(target=other, name=name, daemon=True).start()
    stop.wait()
    if ended.wait(_PATIENCE_S):
        # Only now: while a request is under way nobody else is to send.
        lease.release()
    if failures:
        raise failures[0]


def _elasticsearch_problem(client: Elasticsearch) -> str | None:
    try:
        with reaching(client):
            client.options(request_timeout=3).info()
    except KlinecastError as error:
        return error.detail
    return None


def _start_clock(clock: ExchangeClock, history_url: str, stop: threading.Event) -> None:
    """Measure the exchange's clock in the background; until then the machine's is used."""
    fetch_time_ms = time_fetcher(history_url)
    complained = threading.Event()

    def complain(error: Exception) -> None:
        if not complained.is_set():  # the history API may well be down for long
            log.info("exchange_clock_unavailable", reason=str(error))
            complained.set()

    def calibrate() -> None:
        try:
            clock.calibrate(fetch_time_ms, stop.wait)
        except ExchangeUnavailable as error:
            complain(error)
        keep_measuring(clock, fetch_time_ms, stop, on_error=complain, period_s=_MEASURE_EVERY_S)

    threading.Thread(target=calibrate, name="clock-start", daemon=True).start()
