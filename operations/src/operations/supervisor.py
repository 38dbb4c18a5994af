"""The supervisor of the local mode: starts services, brings fallen ones back, ends them.

honcho reads the Procfile, but its own runner ends everything when one process ends; here
each service is brought back by itself. Services write straight into their log files and
lead their own process groups, so they outlive a supervisor that is killed, and the next
start finds and ends them by what the state file says.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from market.log import get_logger
from operations.processes import ProcessId, end_processes, identify, kill_group
from operations.state import RunState, ServiceState, write_state

log = get_logger()

#: Services promise to end within 10 s of SIGTERM.
GRACE_S = 12.0
_POLL_S = 0.2
_LONGEST_WAIT_S = 30.0
#: A service that ran this long is not in a loop of failures.
_STEADY_S = 60.0
_LOG_LIMIT_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class SupervisorFiles:
    """Where a supervisor reads and writes: the services' folder, their logs, its state file."""

    folder: Path
    logs: Path
    state: Path


class Clock(Protocol):
    """Seconds that only grow."""

    def __call__(self) -> float: ...


def restart_wait_s(failures: int) -> float:
    """Return how long to wait before the next start, after so many failures in a row.

    >>> [restart_wait_s(failures) for failures in (1, 2, 3, 9)]
    [0.5, 1.0, 2.0, 30.0]
    """
    return float(min(0.5 * 2 ** (failures - 1), _LONGEST_WAIT_S))


class Child:
    """One supervised service."""

    def __init__(self, name: str, command: str, log_file: Path, clock: Clock) -> None:
        self.name = name
        self.state = ServiceState()
        self._command = command
        self._log_file = log_file
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._started_at = 0.0
        self._start_at = 0.0

    def tend(self, environment: Mapping[str, str], folder: Path) -> bool:
        """Start the service when it is due, notice when it ended; tell whether that changed."""
        if self._process is None:
            if self._clock() < self._start_at:
                return False
            self._start(environment, folder)
            return True
        status = self._process.poll()
        if status is None:
            return False
        self._note_end(self._process.pid, status)
        return True

    def _start(self, environment: Mapping[str, str], folder: Path) -> None:
        with self._log_file.open("ab") as output:
            # The shell expands the variables of the Procfile's line, then becomes the service.
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {self._command}"],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started_at = self._clock()
        found = identify(self._process.pid)
        created = found.created if found is not None else time.time()
        self.state = self.state.model_copy(update={"pid": self._process.pid, "created": created})
        log.info("service_started", name=self.name, pid=self._process.pid)

    def _note_end(self, pid: int, status: int) -> None:
        kill_group(pid)  # worker processes that a killed service left behind
        steady = self._clock() - self._started_at > _STEADY_S
        self._failures = 1 if steady else self._failures + 1
        wait_s = restart_wait_s(self._failures)
        self._start_at = self._clock() + wait_s
        self._process = None
        self.state = ServiceState(restarts=self.state.restarts + 1, ended=status)
        log.warning("service_ended", name=self.name, pid=pid, status=status, restart_in_s=wait_s)

    def trim_log(self) -> None:
        """Keep one older log file beside the current one, neither beyond the limit."""
        if self._log_file.exists() and self._log_file.stat().st_size > _LOG_LIMIT_BYTES:
            # The service appends, so it goes on at the start of the emptied file.
            older = self._log_file.with_suffix(".log.1")
            older.write_bytes(self._log_file.read_bytes())
            with self._log_file.open("r+b") as current:
                current.truncate(0)

    def reap(self) -> None:
        """Collect the exit status of a service that was ended."""
        if self._process is not None:
            self._process.wait()
            kill_group(self._process.pid)


def supervise(
    commands: Mapping[str, str],
    environment: Mapping[str, str],
    files: SupervisorFiles,
    fingerprint: str,
    stop: threading.Event,
) -> None:
    """Run services until the event is set, then end them all.

    Args:
        commands: shell command by service, in the order to start them.
        environment: the variables of every service.
        files: where logs and state go, and the folder the services run in.
        fingerprint: what to say in the state file about the settings.
    """
    files.logs.mkdir(parents=True, exist_ok=True)
    children = [
        Child(name, command, files.logs / f"{name}.log", time.monotonic)
        for name, command in commands.items()
    ]
    try:
        while not stop.is_set():
            changes = [child.tend(environment, files.folder) for child in children]
            if any(changes):
                _write(files.state, children, fingerprint)
            for child in children:
                child.trim_log()
            stop.wait(_POLL_S)
    finally:
        end_processes(_running(children), grace_s=GRACE_S)
        for child in children:
            child.reap()
        files.state.unlink(missing_ok=True)
        log.info("supervisor_ended")


def _running(children: Sequence[Child]) -> list[ProcessId]:
    found = [child.state.process for child in children]
    return [process for process in found if process is not None]


def _write(path: Path, children: Sequence[Child], fingerprint: str) -> None:
    services = {child.name: child.state for child in children}
    write_state(path, RunState(supervisor=os.getpid(), fingerprint=fingerprint, services=services))
