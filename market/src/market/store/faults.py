"""What the drivers' errors mean: who is away, who was in the way, who may not."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from market.errors import (
    KlinecastError,
    SchemaMismatch,
    SettingsError,
    StoreConflict,
    StoreUnavailable,
)

# The numbers are the servers': "Server Error Message Reference" of MySQL, "Error Codes" of TiDB.
#: Deadlock, lock wait, changed since read (MariaDB); write conflict, schema changed (TiDB).
_IN_THE_WAY = frozenset({1213, 1205, 1020, 8002, 8022, 8028, 9007})
#: Too many connections, shutting down, wrong password, no such database, killed, read-only;
#: TiDB's storage does not answer.
_AWAY = frozenset({1040, 1045, 1049, 1053, 1077, 1290, 1317, 1836, 3159, 9001, 9002, 9003, 9005})
#: The client library's own: can't connect, gone away, lost.
_AWAY_CLIENT = range(2000, 2100)
#: The driver's own, without a number: the server went away between two statements.
_GONE = "Connection not available"
_NO_RIGHT = frozenset({1044, 1142, 1143, 1227, 1370})
_NO_TABLE = 1146
#: TiDB's number for all that has none, lost races among them.
_TIDB_OTHER = 1105

_SQLITE_AWAY = ("locked", "unable to open", "disk I/O", "disk is full", "not a database")


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn what a driver raises in the block into the project's errors, where they have one."""
    try:
        yield
    except _drivers_errors() as error:
        said = error.orig if isinstance(error, DBAPIError) else error
        meant = _meaning(said, url.render_as_string(hide_password=True))
        if meant is None:
            raise
        raise meant from error
    except PoolTimeout as error:
        where = url.render_as_string(hide_password=True)
        raise StoreUnavailable(f"every connection to the store at {where} is busy") from error


def _drivers_errors() -> tuple[type[Exception], ...]:
    """Return SQLAlchemy's errors, and what MySQL's driver raises where those do not wrap it.

    Of a connection that is lost, a rollback raises the C extension's own error, which the
    driver itself does not know as one of its errors.
    """
    found = (("_mysql_connector", "MySQLInterfaceError"), ("mysql.connector.errors", "Error"))
    modules = [(sys.modules.get(module), name) for module, name in found]
    raw = (getattr(module, name) for module, name in modules if module is not None)
    return (DBAPIError, *raw)


def _meaning(error: BaseException | None, where: str) -> KlinecastError | None:
    said = str(error)
    if isinstance(error, sqlite3.Error):
        return _sqlite_meaning(said, where)
    number = getattr(error, "errno", 0)
    if number in _IN_THE_WAY or (number == _TIDB_OTHER and "retry limit" in said):
        return StoreConflict(f"another transaction was in the way in the store at {where}: {said}")
    if number in _AWAY or number in _AWAY_CLIENT or _GONE in said:
        return _away(said, where)
    if number in _NO_RIGHT:
        return _no_right(said, where)
    if number == _NO_TABLE:
        return _no_table(said)
    return None


def _sqlite_meaning(said: str, where: str) -> KlinecastError | None:
    if any(words in said for words in _SQLITE_AWAY):
        return _away(said, where)
    if "readonly" in said:
        return _no_right(said, where)
    if "no such table" in said:
        return _no_table(said)
    return None


def _away(said: str, where: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"the store at {where} does not answer: {said}",
        hint="Start the database, or correct KLINECAST_STORE_URL.",
    )


def _no_right(said: str, where: str) -> SettingsError:
    return SettingsError("KLINECAST_STORE_URL", where, f"a user with the right to do this ({said})")


def _no_table(said: str) -> SchemaMismatch:
    names = re.findall(r"no such table: ([\w.]+)|Table '([^']+)'", said)
    name = next((a or b for a, b in names), "a table")
    return SchemaMismatch(
        f"the store has no {name}",
        hint="Run `klinecast-market migrate` with the owner's KLINECAST_STORE_URL.",
    )
