"""The files in which an installation remembers what it is and what runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from market.errors import Conflict
from operations.processes import ProcessId

Mode = Literal["local", "docker"]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Installation(_Stored):
    """What kind of installation this folder holds. Demo data and live data never mix.

    `mode` is the one started last, `demo` tells per mode whether its data are the demo's.
    """

    mode: Mode | None = None
    demo: dict[Mode, bool] = {}


class ServiceState(_Stored):
    """One service as its supervisor sees it.

    `pid` is None while a restart is waited for; `created` is the process's moment of
    creation, `ended` how it ended last (negative: by that signal).
    """

    pid: int | None = None
    created: float | None = None
    restarts: int = 0
    ended: int | None = None

    @property
    def process(self) -> ProcessId | None:
        """The process that runs, or ran last."""
        if self.pid is None or self.created is None:
            return None
        return ProcessId(self.pid, self.created)


class RunState(_Stored):
    """What the supervisor runs. `fingerprint` stands for the settings it was started with."""

    supervisor: int
    fingerprint: str
    services: dict[str, ServiceState]


class ComposeState(_Stored):
    """The compose stack as it was brought up last: by which settings, with which services."""

    fingerprint: str
    services: list[str]


_Kind = TypeVar("_Kind", bound=_Stored)


def read_state(kind: type[_Kind], path: Path) -> _Kind | None:
    """Read a state file; None when it is not there or from another version."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_state(path: Path, state: BaseModel) -> None:
    """Replace a state file in one step, so that readers never see half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.write_text(state.model_dump_json(indent=1) + "\n")
    draft.replace(path)


def lock_is_held(path: Path) -> bool:
    """Tell whether some process holds the lock."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


@contextlib.contextmanager
def hold_lock(path: Path, *, wait_s: float = 0.0) -> Iterator[bool]:
    """Hold a lock for the block; the system lets go of it when the process ends, however it ends.

    Yields:
        whether another process had to be waited for.

    Raises:
        Conflict: another process still holds it after the wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_s
    waited = False
    try:
        while not _try_lock(handle):
            if time.monotonic() >= deadline:
                raise Conflict(
                    f"another process holds {path.name} of this installation",
                    hint="Wait for the other setup.sh to end, then run it again.",
                )
            waited = True
            time.sleep(0.2)
        yield waited
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
