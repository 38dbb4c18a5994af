"""The store's engine: opening it, its transactions and the check of its schema."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import stamina
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from market.errors import SchemaMismatch, SettingsError, StoreConflict
from market.store.faults import translated

_VALID_URLS = "sqlite:///path or mysql://user:password@host:port/database"
_READ_ONLY = "klinecast_read_only"
#: How often a transaction that lost against another one is run again.
_ATTEMPTS = 12
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.5

_Result = TypeVar("_Result")


class Store:
    """One database and its pool of connections. Safe to share between threads.

    Attributes:
        engine: the SQLAlchemy engine.
        is_sqlite: which of the two families of engines it is.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end of the block.

        Raises:
            StoreUnavailable: the database does not answer, or another transaction was in
                the way (`StoreConflict`); nothing was written.
            SchemaMismatch: a table is missing.
            SettingsError: the URL's user may not do this.
        """
        with translated(self.engine.url), self.engine.begin() as connection:
            yield connection

    def transact(self, work: Callable[[Connection], _Result]) -> _Result:
        """Run `work` in a transaction, again where another one was in the way.

        `work` must change nothing but the database. Raises as `begin` does.
        """
        attempts = stamina.retry_context(
            on=StoreConflict,
            attempts=_ATTEMPTS,
            timeout=None,
            wait_initial=_FIRST_PAUSE_S,
            wait_max=_LONGEST_PAUSE_S,
            wait_jitter=_FIRST_PAUSE_S,
        )
        for attempt in attempts:
            with attempt, self.begin() as connection:
                return work(connection)
        raise AssertionError("the last attempt either returns or raises")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a view of one moment, for reading only: what is written in it is lost.

        Raises as `begin` does.
        """
        with (
            translated(self.engine.url),
            self.engine.connect().execution_options(**{_READ_ONLY: True}) as connection,
        ):
            yield connection

    def check_schema(self) -> None:
        """Check that the schema is the one this version of Klinecast needs.

        Raises:
            SchemaMismatch: it is another one, or there is none.
            StoreUnavailable: the database does not answer.
        """
        from market.store.schema import current_revision, head_revision

        with self.read() as connection:
            found = current_revision(connection)
        if found != head_revision():
            raise SchemaMismatch(
                f"the store's schema is {found or 'missing'}, this version needs {head_revision()}",
                hint="Run `klinecast-market migrate` with the owner's KLINECAST_STORE_URL.",
            )

    def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            StoreUnavailable: it does not answer.
        """
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close the pool."""
        self.engine.dispose()


def open_store(url: str, *, pool_size: int = 5) -> Store:
    """Open the store of that URL; no connection is made yet.

    Raises:
        SettingsError: the URL is not one of a store.
    """
    parsed = parse_store_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Store(_sqlite_engine(parsed, pool_size))
    return Store(_mysql_engine(parsed, pool_size))


def parse_store_url(url: str) -> URL:
    """Return the parsed URL with its driver set.

    Raises:
        SettingsError: the URL is not one of a store; a password in it is not shown.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        raise SettingsError("KLINECAST_STORE_URL", "(unreadable)", _VALID_URLS) from None
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite", database=_expanded(str(parsed.database)))
    if backend in ("mysql", "mariadb") and parsed.database:
        return parsed.set(drivername="mysql+mysqlconnector")
    raise SettingsError(
        "KLINECAST_STORE_URL", parsed.render_as_string(hide_password=True), _VALID_URLS
    )


def _expanded(path: str) -> str:
    return str(Path(path).expanduser()) if path.startswith("~") else path


def _sqlite_engine(url: URL, pool_size: int) -> Engine:
    folder = Path(str(url.database)).absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            "KLINECAST_STORE_URL", str(url), f"a folder that can be made ({error.strerror})"
        ) from error
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=10,
        connect_args={"timeout": 30, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin below decides, not the driver
        _set_wal(connection)
        for pragma in (
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-32768",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that turns to writing fails at once when another one
        # wrote meanwhile; writers therefore say so from the start.
        read_only = connection.get_execution_options().get(_READ_ONLY)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _set_wal(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on.

    The first switch of a new file wants it alone, and SQLite does not wait for that.
    """
    deadline = time.monotonic() + 30
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _mysql_driver(url: URL) -> ModuleType:
    try:
        import mysql.connector
    except ModuleNotFoundError as error:
        raise SettingsError(
            "KLINECAST_STORE_URL",
            url.render_as_string(hide_password=True),
            "sqlite:///path, as the MySQL driver is not installed here",
            hint="Install this package with its extra `mysql`.",
        ) from error
    driver: ModuleType = mysql.connector
    return driver


def _mysql_engine(url: URL, pool_size: int) -> Engine:
    # Traps of the driver: without use_pure=False the C extension may be lost in
    # silence, and only LOCAL INFILE makes bulk loads fast.
    engine = create_engine(
        url,
        module=_mysql_driver(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={"use_pure": False, "allow_local_infile": True, "connection_timeout": 10},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION time_zone = '+00:00'")
            # Readers see one moment; writers below see what is committed.
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Writers that read under locks of ranges would block each other for nothing.
        if not connection.get_execution_options().get(_READ_ONLY):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    return engine
