"""Reading a month's klines past SQLAlchemy, as the driver gives them: a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from api_historic.segments.columns import RawRow
from market.gaps import Range
from market.store.bulk import KLINE_VALUES
from market.store.symbols import Series

_PAGE = 20_000


def iter_pages(
    connection: Connection, series: Series, month: Range, *, page: int = _PAGE
) -> Iterator[Sequence[RawRow]]:
    """Yield rows of the twelve fields, ascending, at most `page` at once.

    All pages are of one moment where the transaction is, and something was read in it.
    """
    statement = _statement(connection)
    start_ms = month.start_ms
    while True:
        values = (series.symbol_id, series.interval.number, start_ms, month.end_ms, page)
        rows = _fetch(connection, statement, values)
        if rows:
            yield rows
        if len(rows) < page:
            return
        start_ms = int(rows[-1][0]) + 1


def _statement(connection: Connection) -> str:
    quote = connection.dialect.identifier_preparer.quote
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names = ", ".join(quote(name) for name in ("open_time_ms", *KLINE_VALUES))
    return (
        f"SELECT {names} FROM klines WHERE symbol_id = {mark} AND interval_id = {mark}"  # noqa: S608  constants only
        f" AND open_time_ms >= {mark} AND open_time_ms < {mark}"
        f" ORDER BY open_time_ms LIMIT {mark}"
    )


def _fetch(connection: Connection, statement: str, values: tuple[int, ...]) -> Sequence[RawRow]:
    driver = connection.connection.driver_connection
    if driver is None:
        raise AssertionError("the connection is closed")
    # MySQL's raw cursor hands over the bytes of the wire; SQLite has no conversions to spare.
    options = {} if connection.dialect.name == "sqlite" else {"raw": True}
    error_class = connection.dialect.loaded_dbapi.Error
    try:
        with closing(driver.cursor(**options)) as cursor:
            cursor.execute(statement, values)
            rows: Sequence[RawRow] = cursor.fetchall()
            return rows
    except error_class as error:
        raise DBAPIError.instance(statement, None, error, error_class) from error
