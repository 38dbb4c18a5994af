"""Real processes for tests: started, watched, and ended by their own id."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class StartFailed(Exception):
    """A process did not come up; the message holds the end of what it said."""


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in the background, both its outputs in one file, and end it at the end.

    `environment` is added to this process's own.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=directory,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes], *, patience_s: float = 15.0) -> int:
    """Ask a process to end, insist after a while; return its status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def wait_until(
    is_true: Callable[[], bool],
    what: str,
    *,
    process: subprocess.Popen[bytes] | None = None,
    log: Path | None = None,
    limit_s: float = 60.0,
) -> None:
    """Wait for a condition; fail with the end of the log when it can't come true in time."""
    deadline = time.monotonic() + limit_s
    while not is_true():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            why = "it ended" if ended else f"not within {limit_s:.0f} s"
            said = log.read_text(errors="replace")[-2000:] if log is not None else ""
            raise StartFailed(f"{what}: {why}\n{said}")
        time.sleep(0.05)
