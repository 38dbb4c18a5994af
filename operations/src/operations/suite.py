"""The tests: what they need on a machine, how it is got, how they are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from market.command import stderr
from operations.layout import Layout


@dataclass(frozen=True, slots=True)
class Tool:
    """A program the tests use.

    Attributes:
        programs: any one of these names on the PATH will do.
        packages: Debian packages that bring one.
        purpose: what is not tested without it.
    """

    programs: tuple[str, ...]
    packages: tuple[str, ...]
    purpose: str


#: mariadb-server-core holds the server alone: installing it starts none.
TOOLS = (
    Tool(
        ("mariadbd", "mysqld"),
        ("mariadb-server-core", "mariadb-client-core"),
        "the store on a local MariaDB",
    ),
    Tool(("chromium", "chromium-browser", "google-chrome"), ("chromium",), "the page in a browser"),
    Tool(("javac",), ("default-jdk-headless",), "Elasticsearch from its published jars"),
    Tool(("mvn",), ("maven",), "Elasticsearch from its published jars"),
    Tool(("git",), ("git",), "a start from a fresh clone"),
)


def find_missing(tools: Sequence[Tool], find: Callable[[str], str | None]) -> list[Tool]:
    """Return the tools of which no program is found."""
    return [tool for tool in tools if not any(find(program) for program in tool.programs)]


def run_all(layout: Layout, arguments: Sequence[str]) -> int:
    """Get what is missing where that is allowed, name what stays missing, run pytest.

    Returns:
        pytest's exit status.
    """
    missing = find_missing(TOOLS, shutil.which)
    if missing:
        _install([package for tool in missing for package in tool.packages])
    for tool in find_missing(TOOLS, shutil.which):
        stderr.print(
            f"not on this machine: {' or '.join(tool.programs)}, so without {tool.purpose}, "
            f"unless a server is named (CONTRIBUTING.md). apt-get install {tool.packages[0]}",
            markup=False,
        )
    # The tests start hundreds of processes: without bytecode each would compile it all again.
    environment = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=layout.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode


def _install(packages: Sequence[str]) -> None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return
    stderr.print(f"Getting {', '.join(packages)} for the tests", markup=False)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "-qq", "update"],
        ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            stderr.print(f"`{' '.join(command)}` failed", markup=False)
            return
