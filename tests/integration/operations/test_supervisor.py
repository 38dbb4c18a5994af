"""The supervisor over real processes: they come back, and they end with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from operations.processes import ProcessId, end_processes, identify
from support.processes import end, running, wait_until

PROCFILE = """\
steady: sleep 1000
# Leads a group of its own, with a child.
parent: sh -c 'sleep 1000 & echo child $! >> children; wait'
failing: sh -c 'echo it fails; exit 3'
stubborn: sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
"""


class Supervised:
    """A supervisor in a folder of its own."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process

    def service(self, name: str) -> dict[str, Any]:
        """Return what the state file says of a service."""
        try:
            state = json.loads((self.folder / ".klinecast" / "state.json").read_text())
        except FileNotFoundError:
            return {}
        found: dict[str, Any] = state["services"][name]
        return found

    def pid(self, name: str) -> int | None:
        """Return the number of a service's process."""
        return self.service(name).get("pid")

    def log(self, name: str) -> str:
        """Return what a service said."""
        path = self.folder / ".klinecast" / "logs" / f"{name}.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def supervise(tmp_path: Path) -> Callable[..., Any]:
    """Starts a supervisor of the named services."""
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "Procfile").write_text(PROCFILE)

    @contextmanager
    def start(*names: str) -> Iterator[Supervised]:
        options = [part for name in names for part in ("--service", name)]
        command = [sys.executable, "-m", "operations", "supervise", "--fingerprint", "f", *options]
        log = tmp_path / "supervisor.log"
        with running(command, log, directory=tmp_path) as process:
            found = Supervised(tmp_path, process)
            wait_until(lambda: found.pid(names[0]) is not None, "it", process=process, log=log)
            yield found

    return start


def test_killed_service_comes_back(supervise: Callable[..., Any]) -> None:
    with supervise("steady") as supervised:
        before = supervised.pid("steady")
        os.kill(before, signal.SIGKILL)

        wait_until(lambda: supervised.pid("steady") not in (None, before), "a new process")

        assert supervised.service("steady")["restarts"] == 1
        assert supervised.service("steady")["ended"] == -signal.SIGKILL


def test_killed_service_leaves_no_workers_behind(supervise: Callable[..., Any]) -> None:
    with supervise("parent") as supervised:
        children = supervised.folder / "children"
        wait_until(lambda: children.exists() and "\n" in children.read_text(), "the child")
        child = int(children.read_text().split()[1])
        before = supervised.pid("parent")

        os.kill(before, signal.SIGKILL)

        wait_until(lambda: supervised.pid("parent") not in (None, before), "a new process")
        assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"


def test_failing_service_is_tried_again_and_its_status_told(
    supervise: Callable[..., Any],
) -> None:
    with supervise("failing") as supervised:
        wait_until(lambda: supervised.service("failing").get("restarts", 0) >= 2, "two ends")

        assert supervised.service("failing")["ended"] == 3
        assert supervised.log("failing").startswith("it fails\nit fails\n")


def test_services_end_with_their_supervisor(supervise: Callable[..., Any]) -> None:
    with supervise("steady", "parent") as supervised:
        wait_until(lambda: supervised.pid("parent") is not None, "both")
        pids = [supervised.pid("steady"), supervised.pid("parent")]

        status = end(supervised.process, patience_s=30)

        assert status == 0
        assert not any(psutil.pid_exists(pid) for pid in pids)
        assert not (supervised.folder / ".klinecast" / "state.json").exists()


def test_stubborn_service_is_ended_by_force(supervise: Callable[..., Any]) -> None:
    with supervise("stubborn") as supervised:
        wait_until(lambda: "ready" in supervised.log("stubborn"), "its trap")
        pid = supervised.pid("stubborn")

        assert end(supervised.process, patience_s=40) == 0

        assert not psutil.pid_exists(pid)


def test_second_supervisor_of_a_folder_is_refused(supervise: Callable[..., Any]) -> None:
    with supervise("steady") as supervised:
        command = ["supervise", "--fingerprint", "f", "--service", "steady"]
        second = subprocess.run(
            [sys.executable, "-m", "operations", *command],
            cwd=supervised.folder,
            capture_output=True,
            text=True,
            check=False,
        )

        assert second.returncode == 1
        assert "supervisor.lock" in second.stderr
        assert supervised.pid("steady") is not None


def test_process_with_a_reused_number_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        found = identify(process.pid)
        assert found is not None

        end_processes([ProcessId(found.pid, found.created - 1000)], grace_s=1)

        assert process.poll() is None
        end_processes([found], grace_s=5)
        assert process.wait(5) == -signal.SIGTERM
