"""Looks at the machine, with real sockets of the loopback where they need one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from market.errors import Conflict
from operations.catalogue import Service
from operations.engine import EngineFacts
from operations.preflight import (
    DOCKER_NEEDS,
    Check,
    amount_check,
    check_binance,
    check_engine,
    check_ports,
    http_problem,
    require,
    socket_problem,
)
from operations.settings import OperateSettings
from support.file_server import serving_files
from support.ports import free_port

GIB = 1024**3


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port of the loopback that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def service(name: str, port: int) -> Service:
    return Service(name, f"the {name}", port, f"{name.upper()}_PORT")


def test_port_in_use_names_port_and_setting(busy_port: int) -> None:
    (check,) = check_ports([service("history", busy_port)])

    assert check.level == "failure"
    assert str(busy_port) in check.line
    assert "HISTORY_PORT" in check.line


def test_free_port_is_fine() -> None:
    (check,) = check_ports([service("history", free_port())])

    assert check.level == "ok"


def test_one_port_for_two_services_is_refused() -> None:
    port = free_port()

    checks = check_ports([service("history", port), service("models", port)])

    assert [check.level for check in checks] == ["ok", "failure"]
    assert "MODELS_PORT" in checks[1].line


def test_too_little_is_told_with_what_is_needed() -> None:
    check = amount_check("disk", "free here", GIB, 2 * GIB, "Free some space")

    assert check.level == "failure"
    assert check.line == "1.0 GiB free here, 2 GiB needed. Free some space."


def test_exactly_enough_is_enough() -> None:
    assert amount_check("disk", "free here", 2 * GIB, 2 * GIB, "").level == "ok"


@pytest.mark.parametrize(
    ("engine", "compose", "levels"),
    [
        ("20.10.24+dfsg1", "2.26.1-4", ["ok", "ok", "ok"]),
        ("28.2.2", "2.20.0", ["ok", "ok", "ok"]),
        ("19.3.1", "2.26.1", ["failure", "ok", "ok"]),
        ("28.2.2", "2.19.9", ["ok", "failure", "ok"]),
        ("28.2.2", None, ["ok", "failure", "ok"]),
    ],
)
def test_versions_of_engine_and_compose(
    engine: str, compose: str | None, levels: list[str]
) -> None:
    checks = check_engine(EngineFacts(engine, 16 * GIB), compose, DOCKER_NEEDS)

    assert [check.level for check in checks] == levels


def test_missing_engine_offers_the_local_mode() -> None:
    (check,) = check_engine(None, None, DOCKER_NEEDS)

    assert check.level == "failure"
    assert "--local" in check.remedy


def test_host_that_refuses_is_a_problem() -> None:
    port = free_port()

    assert http_problem(f"http://127.0.0.1:{port}") == "ConnectError"
    assert socket_problem(f"ws://127.0.0.1:{port}") == "ConnectionRefusedError"


def test_host_that_listens_is_none(busy_port: int) -> None:
    assert socket_problem(f"ws://127.0.0.1:{busy_port}") is None


def test_unreachable_binance_offers_the_demo() -> None:
    port = free_port()
    settings = OperateSettings(
        rest_urls=(f"http://127.0.0.1:{port}",),
        archive_url=f"http://127.0.0.1:{port}",
        stream_url=f"ws://127.0.0.1:{port}",
    )

    checks = check_binance(settings)

    assert [check.level for check in checks] == ["failure"] * 3
    assert all("--demo" in check.remedy for check in checks)


def test_one_rest_host_that_answers_is_enough(tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    (tmp_path / "api" / "v3").mkdir(parents=True)
    (tmp_path / "api" / "v3" / "ping").write_text("{}")
    with serving_files(tmp_path) as url:
        settings = OperateSettings(rest_urls=(away, url), archive_url=away)

        rest = check_binance(settings)[0]

    assert (rest.level, url in rest.line) == ("ok", True)


def test_failures_are_raised_one_a_line_and_warnings_are_not() -> None:
    checks = [
        Check("disk", "failure", "no disk", "Buy one."),
        Check("memory", "warning", "little memory"),
        Check("port 1", "failure", "port 1 is in use"),
    ]

    with pytest.raises(Conflict) as caught:
        require(checks)
    assert [line.strip() for line in caught.value.detail.splitlines()] == [
        "no disk. Buy one.",
        "port 1 is in use",
    ]


def test_warnings_alone_stop_nothing() -> None:
    require([Check("memory", "warning", "little memory")])
