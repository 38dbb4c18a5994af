"""The database server's clock, read within statements: all who share a store share it."""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnElement, Connection, Integer, literal_column

_NOW_MS = {
    True: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    False: "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
}
_NOW_US = {
    True: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000",
    False: "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
}
_MONTH = {
    True: "CAST(strftime('%Y%m', 'now') AS INTEGER)",
    False: "CAST(EXTRACT(YEAR_MONTH FROM UTC_TIMESTAMP()) AS SIGNED)",
}


def now_ms(*, is_sqlite: bool) -> ColumnElement[int]:
    """Return the time as an expression, in UTC epoch milliseconds."""
    return literal_column(_NOW_MS[is_sqlite], BigInteger())


def now_us(*, is_sqlite: bool) -> ColumnElement[int]:
    """Return the time in UTC epoch microseconds; SQLite's goes in steps of a millisecond."""
    return literal_column(_NOW_US[is_sqlite], BigInteger())


def this_month(*, is_sqlite: bool) -> ColumnElement[int]:
    """Return the running month in UTC as a number: 202606 is June 2026."""
    return literal_column(_MONTH[is_sqlite], Integer())


def now_of(connection: Connection) -> ColumnElement[int]:
    """Return `now_ms` in the words of a connection's engine."""
    return now_ms(is_sqlite=connection.dialect.name == "sqlite")
