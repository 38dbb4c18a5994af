"""Processes of this machine, told apart from later ones that were given the same number."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process: its number, and the moment it was created (seconds since the epoch)."""

    pid: int
    created: float


def identify(pid: int) -> ProcessId | None:
    """Return the identity of the process that has this number now."""
    try:
        return ProcessId(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(process: ProcessId) -> bool:
    """Tell whether that very process still runs."""
    try:
        found = psutil.Process(process.pid)
        # Clock corrections move the creation time by a little.
        same = abs(found.create_time() - process.created) < 2
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_processes(processes: Sequence[ProcessId], *, grace_s: float) -> None:
    """Ask processes to end, and after the grace end their groups by force."""
    alive = [process for process in processes if is_alive(process)]
    for process in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while any(is_alive(process) for process in alive) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in alive:
        if is_alive(process):
            kill_group(process.pid)


def kill_group(leader: int) -> None:
    """End what is left of a process group, the leader included."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
