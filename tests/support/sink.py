"""The relay as a real process, and its command line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx
from elasticsearch import Elasticsearch

from forecast_sink.relay import Relay
from forecast_sink.sources.scope import Choices
from market.clock import ExchangeClock
from market.store import Store
from market.store.outbox import outbox_depth
from support.ports import free_port
from support.processes import running, wait_until
from support.simulator import find_program


class RelayProcess(NamedTuple):
    """A running relay and where its health is."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def readiness(self) -> tuple[int, dict[str, str]]:
        """Return the status of `/readyz` and its checks; status 0 while nothing listens."""
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=10)
        except httpx.TransportError:
            return 0, {}
        return answer.status_code, answer.json()["checks"]

    def wait_until_ready(self) -> None:
        """Wait until it delivers."""
        self._wait_until(lambda: self._delivers() == (200, "ok"), "the relay")

    def wait_until_standing_by(self) -> None:
        """Wait until it tells that another one delivers."""
        self._wait_until(lambda: "is held by" in self._delivers()[1], "a relay that stands by")

    def _delivers(self) -> tuple[int, str]:
        status, checks = self.readiness()
        return status, checks.get("lease", "")

    def _wait_until(self, is_true: Callable[[], bool], what: str) -> None:
        wait_until(is_true, what, process=self.process, log=self.log)

    def metric(self, name: str) -> float:
        """Return the value of a metric without labels."""
        text = httpx.get(f"{self.url}/metrics", timeout=10).text
        return next(
            float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} ")
        )


class StartRelay(Protocol):
    """Starts a relay on the test's store and index."""

    def __call__(self, **settings: str) -> AbstractContextManager[RelayProcess]:
        """Run `forecast-sink relay` with further settings."""


@contextmanager
def run_relay_process(environment: Mapping[str, str], log: Path) -> Iterator[RelayProcess]:
    """Run `forecast-sink relay` with these settings on a free port."""
    port = free_port()
    command = [find_program("forecast-sink"), "relay"]
    settings = {
        **environment,
        "SINK_PORT": str(port),
        "KLINECAST_HISTORY_URL": "http://127.0.0.1:9",
    }
    with running(command, log, environment=settings) as process:
        yield RelayProcess(process, f"http://127.0.0.1:{port}", log)


def relay_of(store: Store, client: Elasticsearch, clock: ExchangeClock | None = None) -> Relay:
    """Return a relay of this process, for its rounds one by one."""
    return Relay(store, client, Choices(), clock or ExchangeClock())


def deliver_all(relay: Relay) -> None:
    """Do rounds until one moves nothing."""
    while relay.deliver():
        pass


def run_sink(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command of `forecast-sink` to its end."""
    return subprocess.run(
        [find_program("forecast-sink"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def wait_for_empty_outbox(store: Store, relay: RelayProcess) -> None:
    """Wait until nothing is announced any more."""
    wait_until(lambda: waiting(store) == 0, "an empty outbox", process=relay.process, log=relay.log)


def waiting(store: Store) -> int:
    """Return how many announcements wait."""
    with store.read() as connection:
        return outbox_depth(connection)[0]


def documents(client: Elasticsearch, alias: str) -> dict[str, dict[str, Any]]:
    """Return every document of an index by its id."""
    client.indices.refresh(index=alias)
    hits = client.search(index=alias, size=10_000)["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}
