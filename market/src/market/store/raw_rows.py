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
        if not connection.in_transaction():
            connection.begin()
        driver = connection.connection.driver_connection
        try:
            yield from self.iter_driver(driver, connection.dialect.name, parameters)
        except DBAPIError:
            # Whether it can be used again is not worth finding out.
            connection.invalidate()
            raise

    def iter_driver(
        self, driver: Any, engine: str, parameters: Mapping[str, int]
    ) -> Iterator[RawRow]:
        """Yield the rows from a driver's own connection, as `iter_rows` does."""
        if engine not in self._texts:
            self._texts[engine] = self._compiled(is_sqlite=engine == "sqlite")
        iter_rows = _iter_sqlite if engine == "sqlite" else _iter_mysql
        return iter_rows(driver, self._texts[engine], parameters)

    def _compiled(self, *, is_sqlite: bool) -> str:
        if is_sqlite:
            return str(self._statement.compile(dialect=sqlite_dialect(paramstyle="named")))
        return str(self._statement.compile(dialect=mysql_dialect(paramstyle="pyformat")))


def _iter_sqlite(driver: Any, statement: str, parameters: Mapping[str, int]) -> Iterator[RawRow]:
    try:
        cursor = driver.execute(statement, parameters)
        try:
            yield from cursor
        finally:
            cursor.close()
    except sqlite3.Error as error:
        raise DBAPIError(statement, None, error) from error


def _iter_mysql(driver: Any, statement: str, parameters: Mapping[str, int]) -> Iterator[RawRow]:
    from mysql.connector import Error

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
        raise DBAPIError(text, None, error) from error
