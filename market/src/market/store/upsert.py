"""Insert or replace, in each engine's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table
from sqlalchemy.dialects import mysql, sqlite


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Iterable[str],
    replace: Iterable[str] | None = None,
) -> None:
    """Insert rows; where one of that key exists, set its `replace` columns (default: all)."""
    columns = list(replace) if replace is not None else [c for c in rows[0] if c not in set(key)]
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(table)
        values: dict[str, Any] = {name: lite.excluded[name] for name in columns}
        connection.execute(
            lite.on_conflict_do_update(index_elements=list(key), set_=values), list(rows)
        )
        return
    statement = mysql.insert(table)
    values = {name: statement.inserted[name] for name in columns}
    connection.execute(statement.on_duplicate_key_update(values), list(rows))


def insert_absent(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows whose primary key is not there; leave those alone that are."""
    if connection.dialect.name == "sqlite":
        connection.execute(sqlite.insert(table).on_conflict_do_nothing(), list(rows))
        return
    # Not INSERT IGNORE, which keeps silent about much else.
    same = next(iter(table.primary_key.columns))
    statement = mysql.insert(table).on_duplicate_key_update({same.name: same})
    connection.execute(statement, list(rows))


def upsert_from_select(
    connection: Connection, table: Table, names: Sequence[str], rows: Select[Any]
) -> int:
    """Insert what a query yields, replacing rows of the same primary key; return its count.

    The query must have a WHERE clause: without one SQLite's grammar is ambiguous.
    """
    key = [column.name for column in table.primary_key.columns]
    changed = [name for name in names if name not in key]
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(table).from_select(list(names), rows)
        values: dict[str, Any] = {name: lite.excluded[name] for name in changed}
        return connection.execute(
            lite.on_conflict_do_update(index_elements=key, set_=values)
        ).rowcount
    statement = mysql.insert(table).from_select(list(names), rows)
    values = {name: statement.inserted[name] for name in changed}
    return connection.execute(statement.on_duplicate_key_update(values)).rowcount
