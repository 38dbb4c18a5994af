"""Waiting for services, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from market.health import Readiness, serve_health
from operations.catalogue import Service
from operations.probe import ask_health
from operations.waiting import Failure, Progress, wait_until_ready
from support.ports import free_port


@pytest.fixture
def ready() -> Iterator[Service]:
    """A service that is ready."""
    server = serve_health("127.0.0.1", 0, Readiness({"store": lambda: None}))
    yield Service("ready", "the ready one", server.server_address[1], "READY_PORT")
    server.shutdown()
    server.server_close()


@pytest.fixture
def waiting() -> Iterator[Service]:
    """A service whose store is down."""
    checks = {"store": lambda: "nobody answers", "clock": lambda: None}
    server = serve_health("127.0.0.1", 0, Readiness(checks))
    yield Service("waiting", "the waiting one", server.server_address[1], "WAITING_PORT")
    server.shutdown()
    server.server_close()


def test_ready_services_end_the_waiting(ready: Service) -> None:
    assert wait_until_ready([ready], lambda: {"ready": 0}, Progress(), 10) is None


def test_reason_of_a_service_that_waits_is_told(waiting: Service) -> None:
    assert ask_health(waiting).reason == "store: nobody answers"

    failure = wait_until_ready([waiting], lambda: {"waiting": 0}, Progress(), 0.2)

    assert failure == Failure("waiting", "not ready after 0 s: store: nobody answers")


def test_service_that_listens_nowhere_is_named_with_its_port() -> None:
    silent = Service("silent", "the silent one", free_port(), "SILENT_PORT")

    failure = wait_until_ready([silent], lambda: {"silent": 0}, Progress(), 0.2)

    assert failure is not None
    assert failure.service == "silent"
    assert f"port {silent.port}" in failure.reason


def test_service_that_falls_again_and_again_is_not_waited_for(waiting: Service) -> None:
    restarts = iter(range(100))

    failure = wait_until_ready([waiting], lambda: {"waiting": next(restarts)}, Progress(), 60)

    assert failure == Failure("waiting", "it ends again and again")


def test_lost_supervisor_ends_the_waiting(waiting: Service) -> None:
    answers = iter([{"waiting": 0}, None])

    failure = wait_until_ready([waiting], lambda: next(answers), Progress(), 60)

    assert failure == Failure("supervisor", "the supervisor ended")
