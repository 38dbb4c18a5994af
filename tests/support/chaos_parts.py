"""What a chaos test starts, breaks and starts again: the populator and its database."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.ports import free_port
from support.processes import end
from support.simulator import find_program


class Populator:
    """A command of the populator that may be killed at any moment, and its log."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = [find_program("populate-base"), *arguments]
        self._environment = {**os.environ, **environment}
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, where it does not run."""
        if self.is_running:
            return
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def run(self) -> int:
        """Run it to its end; return its status."""
        self.start()
        return self.wait()

    def wait(self, limit_s: float = 600.0) -> int:
        """Wait for its end; return its status."""
        if self._process is None:
            return 0
        status = self._process.wait(limit_s)
        self._process = None
        return status

    @property
    def is_running(self) -> bool:
        """Tell whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status of one that ended by itself."""
        return None if self._process is None else self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it, where it runs."""
        if self._process is not None and self.is_running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """Ask it to end; return its status."""
        if self._process is None:
            return 0
        status = end(self._process)
        self._process = None
        return status


class Database:
    """A database that can be taken away: a MySQL of our own, or a SQLite file that can't."""

    def __init__(self, url: str, script: Path | None = None, port: int = 0) -> None:
        self.url = url
        self._script = script
        self._port = port

    @property
    def can_stop(self) -> bool:
        """Tell whether it is a server."""
        return self._script is not None

    def stop(self) -> None:
        """Shut the server down."""
        self._tool("down")

    def start(self) -> None:
        """Start the server with what it held."""
        self._tool("up")

    def wipe(self) -> None:
        """Shut the server down and forget what it held."""
        self._tool("wipe")

    def _tool(self, verb: str) -> None:
        if self._script is not None:
            subprocess.run(
                ["sh", str(self._script), verb, str(self._port)],
                capture_output=True,
                timeout=600,
                check=True,
            )


@contextmanager
def own_database(folder: Path) -> Iterator[Database]:
    """Start a MySQL server on a port of its own where one can be had, else use SQLite."""
    tools = os.environ.get("KLINECAST_TEST_TOOLS")
    script = Path(tools) / "mysql_server.sh" if tools else None
    if script is None or not script.exists() or os.geteuid() != 0:
        yield Database(f"sqlite:///{folder / 'store.db'}")
        return
    port = free_port()
    database = Database(f"mysql://market:market@127.0.0.1:{port}/market", script, port)
    try:
        database.start()
        yield database
    finally:
        database.wipe()
