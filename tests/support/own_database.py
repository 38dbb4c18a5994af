"""A database server that a test may end and start again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.databases import ACCOUNT, can_connect, find_server, give_away, initialize
from support.ports import free_port
from support.processes import end, wait_until
from support.servers import NotHere


class OwnDatabase:
    """A MySQL server, or a MariaDB where there is none, on a port and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self._log = folder / "server.log"
        program, is_mariadb = _find()
        user = give_away(folder)
        options = ["--no-defaults", f"--user={user}", f"--datadir={folder / 'data'}"]
        initialize(program, options, is_mariadb=is_mariadb)
        script = folder / "account.sql"
        script.write_text(f"CREATE DATABASE IF NOT EXISTS market_own;\n{ACCOUNT}")
        self._command = [
            program,
            *options,
            f"--init-file={script}",
            f"--socket={folder / 'server.sock'}",
            f"--pid-file={folder / 'server.pid'}",
            f"--port={self._port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--local-infile=1",
            *([] if is_mariadb else ["--mysqlx=OFF"]),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A user's who may do everything."""
        return f"mysql://market:market@127.0.0.1:{self._port}/market_own"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)
        wait_until(
            lambda: can_connect(self.url),
            "the database",
            process=self._process,
            log=self._log,
            limit_s=120,
        )

    def crash(self) -> None:
        """End the server at once, as a loss of power would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        """End the server."""
        if self._process is not None:
            end(self._process, patience_s=60)


def _find() -> tuple[str, bool]:
    try:
        return find_server("mysqld", is_mariadb=False), False
    except NotHere:
        return find_server("mariadbd", is_mariadb=True), True


@contextmanager
def own_database() -> Iterator[OwnDatabase]:
    """Run a server of one's own.

    Raises:
        NotHere: neither MySQL nor MariaDB is installed.
    """
    folder = Path(tempfile.mkdtemp(prefix="klinecast-own-"))
    try:
        database = OwnDatabase(folder)
        database.start()
        try:
            yield database
        finally:
            database.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
