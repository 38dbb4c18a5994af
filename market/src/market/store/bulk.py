"""Putting many klines into a table at once, by each engine's quickest way."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError, IntegrityError

KLINE_KEY = ("symbol_id", "interval_id", "open_time_ms")
KLINE_VALUES = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time_ms",
    "quote_asset_volume",
    "number_of_trades",
    "taker_buy_base_asset_volume",
    "taker_buy_quote_asset_volume",
    "ignore",
)
KLINE_COLUMNS = (*KLINE_KEY, *KLINE_VALUES, "irregular", "batch_id")

#: One row in the order of `KLINE_COLUMNS`, its texts free of tabs and backslashes.
KlineRow = tuple[int | str, ...]

# A handful of rows is quicker without LOAD DATA.
_FEW = 100
# The driver makes one statement of them all, and servers refuse one of more than 16 MB.
_ROWS_A_STATEMENT = 5_000
#: The server or the client does not allow LOCAL INFILE (MySQL, MariaDB, client library).
_NO_LOCAL_INFILE = frozenset({1148, 2068, 3948, 4166})


def insert_rows(connection: Connection, table: Table, rows: Sequence[KlineRow]) -> None:
    """Insert rows whose keys are new in `klines` or `kline_staging`."""
    if _load_data(connection, table, rows) is None:
        _insert_many(connection, table, rows)


def insert_if_new(connection: Connection, table: Table, rows: Sequence[KlineRow]) -> bool:
    """Insert rows, or none of them and tell so where one's key exists already."""
    point = connection.begin_nested()
    try:
        loaded = _load_data(connection, table, rows)
        if loaded is None:
            _insert_many(connection, table, rows)
            loaded = len(rows)
    except IntegrityError:
        loaded = 0
    if loaded == len(rows):
        point.commit()
        return True
    point.rollback()
    return False


def _insert_many(connection: Connection, table: Table, rows: Sequence[KlineRow]) -> None:
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    marks = ", ".join([mark] * len(KLINE_COLUMNS))
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({_names(connection)}) VALUES ({marks})",  # noqa: S608  constants only
            list(rows[start : start + _ROWS_A_STATEMENT]),
        )


def _load_data(connection: Connection, table: Table, rows: Sequence[KlineRow]) -> int | None:
    """Return how many rows were new, or `None` where this is not the way to insert them.

    With LOCAL a row whose key exists is left out in silence: hence the count.
    """
    if connection.dialect.name == "sqlite" or len(rows) <= _FEW:
        return None
    content = "".join("\t".join(map(str, row)) + "\n" for row in rows).encode("ascii")
    with _readable(content) as path:
        try:
            done = connection.exec_driver_sql(
                f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table.name}"
                f" CHARACTER SET ascii ({_names(connection)})"
            )
        except DBAPIError as error:
            if getattr(error.orig, "errno", 0) in _NO_LOCAL_INFILE:
                return None
            raise
    return done.rowcount


@contextmanager
def _readable(content: bytes) -> Iterator[str]:
    """Give the content a path: in memory where the system can, else a temporary file's."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("klines")
        path = f"/proc/self/fd/{handle}"
    else:
        handle, path = tempfile.mkstemp(prefix="klines-")
    try:
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(content)
        yield path.replace("\\", "/")
    finally:
        os.close(handle)
        if not path.startswith("/proc/"):
            with suppress(FileNotFoundError):
                os.unlink(path)


def _names(connection: Connection) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return ", ".join(quote(name) for name in KLINE_COLUMNS)
