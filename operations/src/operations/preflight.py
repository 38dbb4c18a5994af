"""What a machine must have before anything is started: each failure with its remedy."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
import psutil

from market.errors import Conflict
from operations.catalogue import Service
from operations.engine import EngineFacts
from operations.settings import OperateSettings

Level = Literal["ok", "warning", "failure"]

_MAX_MAP_COUNT = Path("/proc/sys/vm/max_map_count")
_NEEDED_MAP_COUNT = 262_144
_GIB = 1024**3
_TIMEOUT_S = 8.0
#: Forbidden, banned for haste, too many requests, not available from this country.
_SHUT_OUT = (403, 418, 429, 451)


@dataclass(frozen=True, slots=True)
class Check:
    """One look at the machine: what was looked at, what was found, what to do about it."""

    name: str
    level: Level
    found: str
    remedy: str = ""

    @property
    def line(self) -> str:
        """The check in one line."""
        return f"{self.found}. {self.remedy}" if self.remedy else self.found


@dataclass(frozen=True, slots=True)
class Needs:
    """What a mode needs, in bytes."""

    disk: int
    memory: int


LOCAL_NEEDS = Needs(disk=2 * _GIB, memory=2 * _GIB)
DOCKER_NEEDS = Needs(disk=10 * _GIB, memory=6 * _GIB)


def check_machine(folder: Path, needs: Needs) -> list[Check]:
    """Look at disk and memory."""
    free = shutil.disk_usage(folder).free
    memory = psutil.virtual_memory().available
    return [
        amount_check("disk", f"free in {folder}", free, needs.disk, "Free some space"),
        amount_check(
            "memory", "of memory available", memory, needs.memory, "End other programs",
            level="warning",
        ),
    ]  # fmt: skip


def amount_check(
    name: str, where: str, found: int, needed: int, remedy: str, *, level: Level = "failure"
) -> Check:
    """Compare an amount of bytes with what is needed."""
    text = f"{found / _GIB:.1f} GiB {where}"
    if found >= needed:
        return Check(name, "ok", text)
    return Check(name, level, f"{text}, {needed / _GIB:.0f} GiB needed", f"{remedy}.")


def check_ports(services: Sequence[Service]) -> list[Check]:
    """Look whether the ports of services are free, and whether two want the same one."""
    checks: list[Check] = []
    seen: dict[int, Service] = {}
    for service in services:
        if service.port is None:
            continue
        name, remedy = f"port {service.port}", f"Choose another with {service.port_variable}"
        if service.port in seen:
            other = seen[service.port]
            found = f"port {service.port} is set for the {other.title} and the {service.title}"
            checks.append(Check(name, "failure", found, f"{remedy}."))
        elif port_is_free(service.port):
            checks.append(Check(name, "ok", f"port {service.port} is free ({service.title})"))
        else:
            found = f"port {service.port} of the {service.title} is in use by another program"
            checks.append(Check(name, "failure", found, f"{remedy}, or end that program."))
        seen[service.port] = service
    return checks


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on a loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do, so that connections of an ended one do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_engine(facts: EngineFacts | None, compose: str | None, needs: Needs) -> list[Check]:
    """Look at the Docker engine, at its memory, and at the compose plugin."""
    if facts is None:
        remedy = "Start Docker, or run with --local, which needs none."
        return [Check("engine", "failure", "no Docker engine answers", remedy)]
    checks = [
        _version_check("Docker engine", facts.version, (20, 10)),
        _version_check("compose", compose or "missing", (2, 20)),
        amount_check(
            "memory", "of memory for Docker", facts.memory, needs.memory,
            "Give Docker more, or run with --local", level="warning",
        ),
    ]  # fmt: skip
    return checks


def _version_check(name: str, found: str, needed: tuple[int, int]) -> Check:
    numbers = re.match(r"(\d+)\.(\d+)", found)
    text = f"{name} is {found}"
    if numbers is not None and (int(numbers[1]), int(numbers[2])) >= needed:
        return Check(name, "ok", text)
    wanted = ".".join(map(str, needed))
    return Check(name, "failure", f"{text}, {wanted} or newer is needed", "Update Docker.")


def check_map_count() -> list[Check]:
    """Look at the number of memory maps Elasticsearch may make; Linux only."""
    if not _MAX_MAP_COUNT.is_file():
        return []
    count = int(_MAX_MAP_COUNT.read_text())
    if count >= _NEEDED_MAP_COUNT:
        return [Check("vm.max_map_count", "ok", f"vm.max_map_count is {count}")]
    return [
        Check(
            "vm.max_map_count",
            "warning",
            f"vm.max_map_count is {count}, Elasticsearch wants {_NEEDED_MAP_COUNT}",
            f"Run: sudo sysctl -w vm.max_map_count={_NEEDED_MAP_COUNT}",
        )
    ]


def check_binance(settings: OperateSettings) -> list[Check]:
    """Look whether Binance's three hosts can be reached."""
    rest_url, rest_problem = _first_answering(settings.rest_urls)
    return [
        _binance_check("REST", rest_url, rest_problem),
        _binance_check("archive", settings.archive_url, http_problem(settings.archive_url)),
        _binance_check("stream", settings.stream_url, socket_problem(settings.stream_url)),
    ]


def _first_answering(urls: Sequence[str]) -> tuple[str, str | None]:
    """Return the first host that answers, else the preferred one and why it does not."""
    with ThreadPoolExecutor(len(urls)) as pool:
        problems = list(pool.map(lambda url: http_problem(f"{url}/api/v3/ping"), urls))
    answering = [url for url, problem in zip(urls, problems, strict=True) if problem is None]
    return (answering[0], None) if answering else (urls[0], problems[0])


def _binance_check(name: str, url: str, problem: str | None) -> Check:
    if problem is None:
        return Check(f"Binance {name}", "ok", f"Binance's {name} host {url} answers")
    return Check(
        f"Binance {name}",
        "failure",
        f"Binance's {name} host {url} cannot be reached ({problem})",
        "Check the network, or run with --demo, which needs no network.",
    )


def http_problem(url: str, *, errors_from: int = 500) -> str | None:
    """Return why a page cannot be reached, None when the host answers without a fault.

    Args:
        errors_from: the lowest HTTP status that is a fault, beside those that shut us out.
    """
    try:
        status = httpx.get(url, timeout=_TIMEOUT_S).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__
    return f"HTTP {status}" if status in _SHUT_OUT or status >= errors_from else None


def socket_problem(url: str) -> str | None:
    """Return why the host of a ws:// or wss:// address cannot be reached, None when it can."""
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    if parts.hostname is None:
        return "not an address"
    address = (parts.hostname, parts.port or (443 if secure else 80))
    try:
        with socket.create_connection(address, timeout=_TIMEOUT_S) as connection:
            if secure:
                context = ssl.create_default_context()
                context.wrap_socket(connection, server_hostname=parts.hostname).close()
    except OSError as error:
        return type(error).__name__
    return None


def check_elasticsearch(settings: OperateSettings) -> list[Check]:
    """Look whether the Elasticsearch that the settings name answers."""
    if settings.elasticsearch_url is None:
        return []
    problem = http_problem(settings.elasticsearch_url.get_secret_value(), errors_from=400)
    if problem is None:
        return [Check("Elasticsearch", "ok", "Elasticsearch answers")]
    return [
        Check(
            "Elasticsearch",
            "failure",
            f"the Elasticsearch of KLINECAST_ELASTICSEARCH_URL does not answer ({problem})",
            "Start it, correct the address, or unset it to run without an index.",
        )
    ]


def check_processors() -> list[Check]:
    """Name the processors; fewer than two make training slow, not impossible."""
    count = os.cpu_count() or 1
    if count >= 2:
        return [Check("processors", "ok", f"{count} processors")]
    return [Check("processors", "warning", "1 processor", "Training will be slow.")]


def require(checks: Sequence[Check]) -> None:
    """Raise for checks that failed.

    Raises:
        Conflict: naming every failure, one line each.
    """
    failures = [check.line for check in checks if check.level == "failure"]
    if failures:
        raise Conflict("\n       ".join(failures), hint="`sh setup.sh doctor` looks again.")
