"""The store's engine: opening it, its transactions and the check of its schema."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from market.errors import SchemaMismatch, SettingsError, StoreUnavailable

_VALID_URLS = "sqlite:///path or mysql://user:password@host:port/database"
#: Driver error numbers that say "nobody answers", not "the statement is wrong".
_MYSQL_AWAY = frozenset({1040, 1042, 1044, 1045, 1049, 1053, 1205, 1213, 1317, 2002, 2003})
_MYSQL_AWAY_CLIENT = range(2000, 2100)
_SQLITE_AWAY = ("locked", "unable to open", "disk I/O", "disk is full")


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
            StoreUnavailable: the database does not answer.
        """
        with _translated(self.engine.url), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only view of one moment.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        options = {"klinecast_read_only": True}
        with (
            _translated(self.engine.url),
            self.engine.connect().execution_options(**options) as connection,
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
        return Store(_sqlite_engine(parsed))
    # Traps of the driver: without use_pure=False the C extension may be lost in
    # silence, and only LOCAL INFILE makes bulk loads fast.
    engine = create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={"use_pure": False, "allow_local_infile": True, "connection_timeout": 10},
    )
    event.listen(engine, "connect", _prepare_mysql)
    return Store(engine)


def parse_store_url(url: str) -> URL:
    """Return the parsed URL with its driver set.

    Raises:
        SettingsError: the URL is not one of a store; a password in it is not shown.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except ArgumentError:
        raise SettingsError("KLINECAST_STORE_URL", "(unreadable)", _VALID_URLS) from None
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if backend in ("mysql", "mariadb") and parsed.database:
        return parsed.set(drivername="mysql+mysqlconnector")
    raise SettingsError(
        "KLINECAST_STORE_URL", parsed.render_as_string(hide_password=True), _VALID_URLS
    )


def _sqlite_engine(url: URL) -> Engine:
    Path(str(url.database)).expanduser().resolve().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin below decides, not the driver
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "temp_store=MEMORY",
            "cache_size=-65536",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that turns to writing fails at once when another one
        # wrote meanwhile; writers therefore say so from the start.
        mode = connection.get_execution_options().get("klinecast_read_only")
        connection.exec_driver_sql("BEGIN" if mode else "BEGIN IMMEDIATE")

    return engine


def _prepare_mysql(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00'")
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")


@contextmanager
def _translated(url: URL) -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if not _is_away(error):
            raise
        where = url.render_as_string(hide_password=True)
        raise StoreUnavailable(
            f"the store at {where} does not answer: {error.orig}",
            hint="Start the database, or correct KLINECAST_STORE_URL.",
        ) from error


def _is_away(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return any(words in str(error.orig) for words in _SQLITE_AWAY)
    number = getattr(error.orig, "errno", 0)
    return number in _MYSQL_AWAY or number in _MYSQL_AWAY_CLIENT
