"""Rows as the bytes the driver received: for reads of many rows, which no object should touch.

SQLAlchemy's rows, and those of the drivers' own cursors, cost several times the query.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Select
from sqlalchemy.dialects.mysql import dialect as mysql_dialect
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.exc import DBAPIError

#: A row: bytes, or `None` where the column is null. On SQLite whatever type the column has.
RawRow = tuple[Any, ...]


class RawQuery:
    """A statement whose parameters all are integers, compiled once for each engine.

    Compiling takes longer than many a query.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._texts: dict[str, str] = {}

    def iter_rows(self, connection: Connection, **parameters: int) -> Iterator[RawRow]:
        """Yield the rows as the driver hands them over, in the connection's transaction.

        Closed before its end, the rest is read and thrown away: limit the statement. Raises
        `DBAPIError`, as SQLAlchemy's own reads do.
        """
        name = connection.dialect.name
        if name not in self._texts:
            self._texts[name] = self._compiled(is_sqlite=name == "sqlite")
        if not connection.in_transaction():
            connection.begin()
        iter_rows = _iter_sqlite if name == "sqlite" else _iter_mysql
        return iter_rows(connection, self._texts[name], parameters)

    def _compiled(self, *, is_sqlite: bool) -> str:
        if is_sqlite:
            return str(self._statement.compile(dialect=sqlite_dialect(paramstyle="named")))
        return str(self._statement.compile(dialect=mysql_dialect(paramstyle="pyformat")))


def _iter_sqlite(
    connection: Connection, statement: str, parameters: Mapping[str, int]
) -> Iterator[RawRow]:
    driver: Any = connection.connection.driver_connection
    try:
        cursor = driver.execute(statement, parameters)
        try:
            yield from cursor
        finally:
            cursor.close()
    except sqlite3.Error as error:
        raise DBAPIError(statement, None, error) from error


def _iter_mysql(
    connection: Connection, statement: str, parameters: Mapping[str, int]
) -> Iterator[RawRow]:
    from mysql.connector import Error

    driver: Any = connection.connection.driver_connection
    # Integers alone come in, so that nothing has to be quoted.
    text = statement % {name: int(value) for name, value in parameters.items()}
    try:
        driver.cmd_query(text, raw=True, buffered=False)
        try:
            # `get_rows` makes a list and a tuple of each row, which takes longer than the row.
            yield from iter(driver._cmysql.fetch_row, None)
        finally:
            driver.free_result()
    except Error as error:
        # Whether it can be used again is not worth finding out.
        connection.invalidate()
        raise DBAPIError(text, None, error) from error
