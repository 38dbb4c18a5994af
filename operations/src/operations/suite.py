"""The tests: what they need on a machine, how it is got, how they are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

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

#: Kinds of tests whose folders are run apart, and the parts that take longest.
_SPLIT = frozenset({"contract", "integration"})
_LONGEST = (
    "tests/system",
    "tests/integration/populate_base",
    "tests/contract/store",
    "tests/chaos",
)
#: Each part may start servers of its own.
_MOST_AT_ONCE = 4
#: pytest's status where no test was chosen, as all of a folder may be by hand only.
_NOTHING_CHOSEN = 5
_PRINTING = threading.Lock()


def find_missing(tools: Sequence[Tool], find: Callable[[str], str | None]) -> list[Tool]:
    """Return the tools of which no program is found."""
    return [tool for tool in tools if not any(find(program) for program in tool.programs)]


def run_all(layout: Layout, arguments: Sequence[str]) -> int:
    """Get what is missing where that is allowed, name what stays missing, run pytest.

    Without arguments the parts of the tests run side by side, as many as there are cores:
    much of their time is waiting. What a part said is printed when it has ended.

    Returns:
        0 where all passed, else an exit status of pytest's.
    """
    _get_tools()
    if arguments:
        return _run_pytest(layout.root, arguments)
    parts = plan_parts(layout.root / "tests")
    with ThreadPoolExecutor(min(len(parts), os.cpu_count() or 1, _MOST_AT_ONCE)) as pool:
        statuses = list(pool.map(lambda part: _run_part(layout.root, part), parts))
    failed = [part for part, status in zip(parts, statuses, strict=True) if status]
    outcome = f"failed: {', '.join(failed)}" if failed else f"all {len(parts)} parts passed"
    stderr.print(outcome, markup=False)
    return max(statuses, default=0)


def plan_parts(tests: Path) -> list[str]:
    """Return the folders that are run apart, relative to the root, the longest first."""
    folders = [
        part
        for kind in sorted(tests.iterdir())
        for part in (sorted(kind.iterdir()) if kind.name in _SPLIT else [kind])
    ]
    parts = [
        folder.relative_to(tests.parent).as_posix() for folder in folders if _has_tests(folder)
    ]
    return sorted(
        parts, key=lambda part: _LONGEST.index(part) if part in _LONGEST else len(_LONGEST)
    )


def _has_tests(folder: Path) -> bool:
    return folder.name != "benchmarks" and any(folder.rglob("test_*.py"))


def _run_part(root: Path, part: str) -> int:
    started_s = time.monotonic()
    with tempfile.TemporaryFile() as output:
        status = _run_pytest(root, [part], output)
        output.seek(0)
        with _PRINTING:
            sys.stdout.buffer.write(f"== {part}, {time.monotonic() - started_s:.0f} s\n".encode())
            shutil.copyfileobj(output, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    return 0 if status == _NOTHING_CHOSEN else status


def _run_pytest(root: Path, arguments: Sequence[str], output: IO[bytes] | None = None) -> int:
    # The tests start hundreds of processes: without bytecode each would compile it all again.
    environment = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        check=False,
    )
    return done.returncode


def _get_tools() -> None:
    missing = find_missing(TOOLS, shutil.which)
    if missing:
        _install([package for tool in missing for package in tool.packages])
    for tool in find_missing(TOOLS, shutil.which):
        stderr.print(
            f"not on this machine: {' or '.join(tool.programs)}, so without {tool.purpose}, "
            f"unless a server is named (CONTRIBUTING.md). apt-get install {tool.packages[0]}",
            markup=False,
        )


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
