"""Putting many klines into a table at once, by each engine's quickest way."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice, repeat
from typing import NamedTuple

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
#: The columns of a line's twelve fields, and which of them are times.
_LINE_FIELDS = ("open_time_ms", *KLINE_VALUES)
_LINE_TIMES = (_LINE_FIELDS.index("open_time_ms"), _LINE_FIELDS.index("close_time_ms"))

#: One row in the order of `KLINE_COLUMNS`, its texts free of tabs and backslashes.
KlineRow = tuple[int | str, ...]


class KlineLines(NamedTuple):
    """Klines as lines of text that were proved to be exactly what the store keeps.

    Each line has Binance's twelve fields, separated by commas, and ends with a line feed;
    prices and amounts have eight decimals and fit their columns, every kline is on the
    grid, and open times ascend.

    Attributes:
        ticks_a_ms: the unit of all times: 1 for milliseconds, 1000 for microseconds.
    """

    content: bytes
    rows: int
    first_open_ms: int
    last_open_ms: int
    ticks_a_ms: int

    def read_opens(self) -> list[int]:
        """Return the open times in milliseconds, ascending."""
        lines = self.content.splitlines()
        return [int(line.split(b",", 1)[0]) // self.ticks_a_ms for line in lines]


class KlineBlock(NamedTuple):
    """Lines on their way into a table, and the values that all their rows share."""

    lines: KlineLines
    symbol_id: int
    interval_id: int
    batch_id: int


# A handful of rows is quicker without LOAD DATA.
_FEW = 100
# The driver makes one statement of them all, and servers refuse one of more than 16 MB.
_ROWS_A_STATEMENT = 5_000
#: More rows a statement make SQLite no quicker.
_SQLITE_ROWS = 50
_VALUES = " VALUES "
#: The server or the client does not allow LOCAL INFILE (MySQL, MariaDB, client library).
_NO_LOCAL_INFILE = frozenset({1148, 2068, 3948, 4166})


def insert_rows(
    connection: Connection, table: Table, rows: Sequence[KlineRow] | KlineBlock
) -> None:
    """Insert rows whose keys are new in `klines` or `kline_staging`."""
    if _load_data(connection, table, rows) is None:
        _insert_many(connection, table, rows)


def insert_if_new(
    connection: Connection, table: Table, rows: Sequence[KlineRow] | KlineBlock
) -> bool:
    """Insert rows, or none of them and tell so where one's key exists already."""
    count = rows.lines.rows if isinstance(rows, KlineBlock) else len(rows)
    point = connection.begin_nested()
    try:
        loaded = _load_data(connection, table, rows)
        if loaded is None:
            _insert_many(connection, table, rows)
            loaded = count
    except IntegrityError:
        loaded = 0
    if loaded == count:
        point.commit()
        return True
    point.rollback()
    return False


def _insert_many(
    connection: Connection, table: Table, rows: Sequence[KlineRow] | KlineBlock
) -> None:
    if isinstance(rows, KlineBlock):
        _insert_lines(connection, table, rows)
        return
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    marks = ", ".join([mark] * len(KLINE_COLUMNS))
    statement = f"INSERT INTO {table.name} ({_names(connection, KLINE_COLUMNS)}) VALUES ({marks})"  # noqa: S608  constants only
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        connection.exec_driver_sql(statement, list(rows[start : start + _ROWS_A_STATEMENT]))


def _insert_lines(connection: Connection, table: Table, block: KlineBlock) -> None:
    text = block.lines.content.decode("ascii")
    if connection.dialect.name == "sqlite":
        _insert_into_sqlite(connection, table, block, text)
        return
    statement = _insert_statement(connection, table, block, "%s", "DIV")
    fields = map(str.split, text.splitlines(), repeat(","))
    while some := [tuple(row) for row in islice(fields, _ROWS_A_STATEMENT)]:
        connection.exec_driver_sql(statement, some)


def _insert_into_sqlite(connection: Connection, table: Table, block: KlineBlock, text: str) -> None:
    # Rows share statements, and the driver takes them as they come: a statement a row takes
    # a quarter longer, and lets go of Python's lock for each.
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise AssertionError(f"SQLite's driver is {driver!r}")
    one = _insert_statement(connection, table, block, "?", "/")
    marks = one[one.index(_VALUES) + len(_VALUES) :]
    fields = text.replace("\n", ",").split(",")
    width, alone = len(_LINE_FIELDS), block.lines.rows % _SQLITE_ROWS
    shared = iter(fields[: (block.lines.rows - alone) * width])
    rest = iter(fields[(block.lines.rows - alone) * width :])
    many = one + f", {marks}" * (_SQLITE_ROWS - 1)
    try:
        driver.executemany(many, zip(*[shared] * (width * _SQLITE_ROWS), strict=False))
        driver.executemany(one, zip(*[rest] * width, strict=False))
    except sqlite3.Error as error:
        raise DBAPIError.instance(one, None, error, sqlite3.Error) from error


def _insert_statement(
    connection: Connection, table: Table, block: KlineBlock, mark: str, division: str
) -> str:
    # The shared values stand in the statement: they are numbers, and not bound for each row.
    shared = _shared(block)
    marks = [mark] * len(_LINE_FIELDS) + list(map(str, shared.values()))
    for place in _LINE_TIMES:
        marks[place] = f"{mark} {division} {block.lines.ticks_a_ms}"
    names = _names(connection, (*_LINE_FIELDS, *shared))
    return f"INSERT INTO {table.name} ({names}){_VALUES}({', '.join(marks)})"


def _shared(block: KlineBlock) -> dict[str, int]:
    return {
        "symbol_id": block.symbol_id,
        "interval_id": block.interval_id,
        "irregular": 0,
        "batch_id": block.batch_id,
    }


def _load_data(
    connection: Connection, table: Table, rows: Sequence[KlineRow] | KlineBlock
) -> int | None:
    """Return how many rows were new, or `None` where this is not the way to insert them.

    With LOCAL a row whose key exists is left out in silence: hence the count.
    """
    if connection.dialect.name == "sqlite":
        return None
    if isinstance(rows, KlineBlock):
        content, layout = rows.lines.content, _line_layout(connection, rows)
    elif len(rows) <= _FEW:
        return None
    else:
        content = "".join("\t".join(map(str, row)) + "\n" for row in rows).encode("ascii")
        layout = f"({_names(connection, KLINE_COLUMNS)})"
    with _readable(content) as path:
        try:
            done = connection.exec_driver_sql(
                f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table.name}"
                f" CHARACTER SET ascii {layout}"
            )
        except DBAPIError as error:
            if getattr(error.orig, "errno", 0) in _NO_LOCAL_INFILE:
                return None
            raise
    return done.rowcount


def _line_layout(connection: Connection, block: KlineBlock) -> str:
    """Return how LOAD DATA reads lines as they are: the file's own bytes go to the server."""
    variables = {_LINE_FIELDS[place]: f"@t{place}" for place in _LINE_TIMES}
    quoted = [variables.get(name) or _names(connection, (name,)) for name in _LINE_FIELDS]
    values = {name: f"{read} DIV {block.lines.ticks_a_ms}" for name, read in variables.items()}
    values |= {name: str(value) for name, value in _shared(block).items()}
    settings = ", ".join(f"{name} = {value}" for name, value in values.items())
    return f"FIELDS TERMINATED BY ',' ({', '.join(quoted)}) SET {settings}"


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


def _names(connection: Connection, columns: Iterable[str]) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return ", ".join(quote(name) for name in columns)
