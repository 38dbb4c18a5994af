"""Real SQL servers, and a fresh database on one of them for every test."""

from __future__ import annotations

import configparser
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mysql.connector
import pytest
from mysql.connector.abstracts import MySQLConnectionAbstract
from sqlalchemy.engine import make_url

from support.ports import free_port
from support.processes import StartFailed, running, wait_until
from support.servers import (
    NotHere,
    first_server,
    from_docker,
    from_environment,
    from_tools,
)

_STACK_SETTINGS = Path(__file__).parents[2] / "up" / "mysql" / "klinecast.cnf"
ACCOUNT = """
CREATE USER IF NOT EXISTS 'market'@'%' IDENTIFIED BY 'market';
GRANT ALL ON *.* TO 'market'@'%' WITH GRANT OPTION;
"""


def connect(url: str) -> MySQLConnectionAbstract:
    """Open a plain driver connection to a `mysql://` URL, autocommitting."""
    parsed = make_url(url)
    return mysql.connector.connect(  # type: ignore[return-value]  # never a pooled one here
        host=parsed.host,
        port=parsed.port or 3306,
        user=parsed.username,
        password=parsed.password,
        database=parsed.database,
        autocommit=True,
        use_pure=False,
        connection_timeout=5,
    )


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Make an empty database on a server, and drop it afterwards."""
    name = f"market_test_{secrets.token_hex(6)}"
    _execute(server_url, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(server_url, f"DROP DATABASE {name}")


def _execute(url: str, statement: str) -> None:
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def can_connect(url: str) -> bool:
    """Tell whether a server answers."""
    try:
        connect(url).close()
    except mysql.connector.Error:
        return False
    return True


@contextmanager
def _local_server(name: str, *, is_mariadb: bool) -> Iterator[str]:
    program = find_server(name, is_mariadb=is_mariadb)
    folder = Path(tempfile.mkdtemp(prefix="klinecast-sql-"))
    try:
        user = give_away(folder)
        options = ["--no-defaults", f"--user={user}", f"--datadir={folder / 'data'}"]
        initialize(program, options, is_mariadb=is_mariadb)
        script = folder / "account.sql"
        script.write_text(ACCOUNT)
        port = free_port()
        command = [
            program,
            *options,
            f"--init-file={script}",
            f"--socket={folder / 'server.sock'}",
            f"--pid-file={folder / 'server.pid'}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--local-infile=1",
            "--character-set-server=utf8mb4",
        ]
        url = f"mysql://market:market@127.0.0.1:{port}/mysql"
        log = folder / "server.log"
        with running(command, log) as process:
            try:
                wait_until(lambda: can_connect(url), name, process=process, log=log)
            except StartFailed as error:
                raise NotHere(str(error)) from None
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_server(name: str, *, is_mariadb: bool) -> str:
    """Return the path of a server's program.

    Raises:
        NotHere: it is not installed, or is the other one's under that name.
    """
    program = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        raise NotHere(f"{name} is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if ("MariaDB" in version.stdout) != is_mariadb:
        raise NotHere(f"{program} is {'not ' if is_mariadb else ''}MariaDB's")
    return program


def give_away(folder: Path) -> str:
    """Return the user the server runs as: never root, who gives the folder away."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    # Debian's package of the server alone makes no user for it.
    known = {entry.pw_name for entry in pwd.getpwall()}
    user = "mysql" if "mysql" in known else "nobody"
    folder.chmod(0o755)
    shutil.chown(folder, user)
    return user


def stack_options() -> list[str]:
    """Return the server options of the compose stack: tests run on what users run on."""
    settings = configparser.ConfigParser(allow_no_value=True)
    settings.read(_STACK_SETTINGS)
    return [
        f"--{name.replace('_', '-')}" + ("" if value is None else f"={value.strip(chr(39))}")
        for name, value in settings["mysqld"].items()
    ]


def initialize(program: str, options: list[str], *, is_mariadb: bool) -> None:
    """Make a server's empty data folder."""
    command = [program, *options, "--initialize-insecure"]
    if is_mariadb:
        installer = shutil.which("mariadb-install-db")
        if installer is None:
            raise NotHere("mariadb-install-db is not installed")
        command = [installer, *options, "--skip-test-db"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotHere(f"{command[0]} failed: {done.stderr.strip()[-300:]}")


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[str]:
    """A MySQL server: a URL whose user may create and drop databases named `market_...`."""
    docker = from_docker(
        os.environ.get("KLINECAST_TEST_MYSQL_IMAGE", "mysql:8.4"),
        3306,
        "mysql://root:market@127.0.0.1:{port}/market",
        can_connect,
        environment={"MYSQL_ROOT_PASSWORD": "market", "MYSQL_DATABASE": "market"},
        command=" ".join(stack_options()),
    )
    providers = [
        from_environment("KLINECAST_TEST_MYSQL_URL"),
        from_tools(
            "mysql_server.sh",
            keeps_data_by_port=True,
            environment={"MYSQLD_ARGS": " ".join(stack_options())},
        ),
        docker,
        lambda: _local_server("mysqld", is_mariadb=False),
    ]
    with first_server("MySQL", providers) as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    """A MariaDB server: a URL whose user may create and drop databases."""
    docker = from_docker(
        os.environ.get("KLINECAST_TEST_MARIADB_IMAGE", "mariadb:11.4"),
        3306,
        "mysql://root:market@127.0.0.1:{port}/market",
        can_connect,
        environment={"MARIADB_ROOT_PASSWORD": "market", "MARIADB_DATABASE": "market"},
        command="--local-infile=1",
    )
    # Debian's own server starts in two seconds, a container has to be fetched first.
    providers = [
        from_environment("KLINECAST_TEST_MARIADB_URL"),
        lambda: _local_server("mariadbd", is_mariadb=True),
        docker,
    ]
    with first_server("MariaDB", providers) as url:
        yield url


@pytest.fixture(scope="session")
def tidb_server() -> Iterator[str]:
    """A TiDB server, where the environment names one: building one takes minutes."""
    with first_server("TiDB", [from_environment("KLINECAST_TEST_TIDB_URL")]) as url:
        yield url


@pytest.fixture
def mysql_url(mysql_server: str) -> Iterator[str]:
    """The URL of an empty MySQL database that is dropped afterwards."""
    with fresh_database(mysql_server) as url:
        yield url


@pytest.fixture
def mariadb_url(mariadb_server: str) -> Iterator[str]:
    """The URL of an empty MariaDB database that is dropped afterwards."""
    with fresh_database(mariadb_server) as url:
        yield url


@pytest.fixture
def tidb_url(tidb_server: str) -> Iterator[str]:
    """The URL of an empty TiDB database that is dropped afterwards."""
    with fresh_database(tidb_server) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite store that does not exist yet."""
    return f"sqlite:///{tmp_path / 'store.db'}"
