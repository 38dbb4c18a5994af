"""Where a test's server comes from: the first of several places that has one.

In this order: an address in the environment, the scripts in `$KLINECAST_TEST_TOOLS`, a
Docker engine, a program of this machine. Where none has it the test is skipped, and the
reason names what would help.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.ports import free_port
from support.processes import StartFailed, wait_until

#: A server's address, for as long as the context is open.
Provider = Callable[[], AbstractContextManager[str]]
#: Servers on ephemeral ports belong to another test session, which may end them any moment.
_FIRST_PRIVATE_PORT = 32768


class NotHere(Exception):
    """A place has no such server; the message says what is missing there."""


@contextmanager
def first_server(name: str, providers: Sequence[Provider]) -> Iterator[str]:
    """Open the first provider that has the server; skip, naming each reason, if none has."""
    reasons = []
    with ExitStack() as stack:
        for provider in providers:
            try:
                url = stack.enter_context(provider())
            except NotHere as reason:
                reasons.append(str(reason))
            else:
                yield url
                return
        pytest.skip(f"no {name}: " + "; ".join(reasons))


def from_environment(variable: str) -> Provider:
    """Take the address from the environment."""

    @contextmanager
    def provide() -> Iterator[str]:
        url = os.environ.get(variable)
        if not url:
            raise NotHere(f"{variable} is not set")
        yield url

    return provide


def from_tools(
    script: str,
    *,
    keeps_data_by_port: bool = False,
    only_running: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Provider:
    """Use a server that the script already runs, or start one and end it afterwards.

    With `only_running` none is started: for servers whose first start takes many minutes.
    """

    @contextmanager
    def provide() -> Iterator[str]:
        folder = os.environ.get("KLINECAST_TEST_TOOLS")
        if not folder:
            raise NotHere("KLINECAST_TEST_TOOLS is not set")
        path = Path(folder) / script
        if not path.exists():
            raise NotHere(f"{path} does not exist")
        running = _shared(_tool(path, "url", may_fail=True))
        if running:
            yield running
            return
        if only_running:
            raise NotHere(f"{script} runs none (`{script} up PORT` starts one)")
        port = str(free_port())
        url = _tool(path, "up", port, environment=environment)
        try:
            yield url
        finally:
            _tool(path, *(["wipe", port] if keeps_data_by_port else ["down"]))

    return provide


def _tool(
    path: Path,
    *arguments: str,
    may_fail: bool = False,
    environment: Mapping[str, str] | None = None,
) -> str:
    done = subprocess.run(
        ["sh", str(path), *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=840,
    )
    if done.returncode == 0:
        return done.stdout.strip()
    if may_fail:
        return ""
    raise NotHere(f"{path.name} {arguments[0]} failed: {done.stderr.strip()[-300:]}")


def _shared(urls: str) -> str | None:
    for url in urls.splitlines():
        port = url.partition("@")[2].partition(":")[2].partition("/")[0]
        if port.isdigit() and int(port) < _FIRST_PRIVATE_PORT:
            return url
    return None


def from_docker(
    image: str,
    port: int,
    url: str,
    is_up: Callable[[str], bool],
    *,
    environment: dict[str, str],
    command: str = "",
) -> Provider:
    """Run a container; `url` holds `{port}` for the port it gets on the loopback."""

    @contextmanager
    def provide() -> Iterator[str]:
        container = _container(image, port, environment, command)
        try:
            address = url.format(port=container.get_exposed_port(port))
            _wait_for(is_up, address, image)
            yield address
        finally:
            container.stop()

    return provide


def _container(image: str, port: int, environment: dict[str, str], command: str) -> Any:
    # Loaded late: most sessions never come to a container.
    import docker
    from docker.errors import DockerException
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    # Its reaper is one more image to fetch, and containers are ended here anyway.
    testcontainers_config.ryuk_disabled = True
    try:
        client = docker.from_env(timeout=10)
        try:
            client.ping()
        finally:
            client.close()
    except DockerException:
        raise NotHere("no Docker engine answers") from None
    container = DockerContainer(image).with_exposed_ports(port)
    for name, value in environment.items():
        container = container.with_env(name, value)
    if command:
        container = container.with_command(command)
    try:
        container.start()
    except DockerException as error:
        raise NotHere(f"the image {image} can't be run: {error}") from None
    return container


def _wait_for(is_up: Callable[[str], bool], address: str, what: str) -> None:
    try:
        wait_until(lambda: is_up(address), what, limit_s=120)
    except StartFailed as error:
        raise NotHere(str(error)) from None
