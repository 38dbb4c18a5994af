"""The panels' questions in SQL, over tables of what the store says belongs in each index.

The documents come from the store's rows and never from Elasticsearch: what a panel shows is
held against a sum made by another program of another copy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from forecast_sink.dashboards.filters import Filter
from forecast_sink.indices import PLANS
from forecast_sink.sources.registry import SOURCES
from forecast_sink.sources.scope import Choices
from market.store import Store
from support.kibana_queries import Json, PanelQuery, interval_of

Rows = dict[tuple[Any, ...], tuple[Any, ...]]

_LENGTHS = {"1h": 13, "1d": 10}  # of ISO-8601 up to the hour, up to the day


def load_tables(store: Store, now_ms: int) -> sqlite3.Connection:
    """Return a database with a table for each index, named by its alias."""
    tables = sqlite3.connect(":memory:")
    with store.read() as connection:
        scope = Choices().read_scope(connection, now_ms)
    for plan in PLANS:
        names = list(plan.properties)
        columns = ", ".join(f'"{name}"' for name in names)
        tables.execute(f'CREATE TABLE "{plan.alias}" ({columns})')
        source = SOURCES[plan.name]
        insert = f'INSERT INTO "{plan.alias}" VALUES ({", ".join("?" * len(names))})'
        for keys in source.iter_keys(store, scope):
            with store.read() as connection:
                found = source.read(connection, keys, scope)
            for documents in found.values():
                assert not isinstance(documents, str), documents
                rows = [[_plain((one.body or {}).get(name)) for name in names] for one in documents]
                tables.executemany(insert, rows)
    return tables


def _plain(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value


def ask_sql(tables: sqlite3.Connection, query: PanelQuery) -> Rows:
    """Return the panel's numbers by its buckets' keys."""
    buckets = [name for name in query.order if query.columns[name]["isBucketed"]]
    numbers = numbers_of(query)
    keys = [_key(query.columns[name]) for name in buckets]
    values = [_value(query, name) for name in numbers]
    where = " AND ".join(["1", *map(_where, query.filters)])
    # A document without a bucket's field is in none of its buckets.
    where += "".join(f" AND {key} IS NOT NULL" for key in keys)
    group = f"GROUP BY {', '.join(keys)} ORDER BY {', '.join(keys)}" if keys else ""
    sql = f'SELECT {", ".join([*keys, *values])} FROM "{query.alias}" WHERE {where} {group}'
    rows = {row[: len(keys)]: row[len(keys) :] for row in tables.execute(sql)}
    running: dict[str, float] = {}
    for key, row in rows.items():
        rows[key] = tuple(
            _run(query, name, value, running) for name, value in zip(numbers, row, strict=True)
        )
    return rows


def numbers_of(query: PanelQuery) -> list[str]:
    """Return the columns that are numbers and shown."""
    columns = query.columns
    parts = {part for column in columns.values() for part in column.get("references", [])}
    return [name for name in query.order if not columns[name]["isBucketed"] and name not in parts]


def _run(query: PanelQuery, name: str, value: Any, running: dict[str, float]) -> Any:
    if query.columns[name]["operationType"] != "cumulative_sum":
        return value
    running[name] = running.get(name, 0.0) + (value or 0.0)
    return running[name]


def _key(column: Json) -> str:
    field = f'"{column["sourceField"]}"'
    if column["operationType"] == "terms":
        return field
    return f"substr({field}, 1, {_LENGTHS[interval_of(column)]})"


def _value(query: PanelQuery, name: str) -> str:
    column = query.columns[name]
    if column["operationType"] == "cumulative_sum":
        column = query.columns[column["references"][0]]
    operation, field = column["operationType"], f'"{column["sourceField"]}"'
    if operation == "count":
        return "count(*)"
    if operation == "unique_count":
        return f"count(DISTINCT {field})"
    if operation == "last_value":
        newest = column["params"]["sortField"]
        return f'(SELECT {field} FROM "{query.alias}" ORDER BY "{newest}" DESC LIMIT 1)'
    return f"{ {'average': 'avg'}.get(operation, operation) }({field})"


def _where(one: Filter) -> str:
    if not one.values:
        return f'"{one.field}" IS NOT NULL'
    values = ", ".join(
        str(int(value)) if isinstance(value, int) else f"'{value}'" for value in one.values
    )
    return f'"{one.field}" IN ({values})'


def rows_of(query: PanelQuery, answer: Json) -> Rows:
    """Return an answer's numbers by its buckets' keys, in the words of `ask_sql`."""
    buckets = [name for name in query.order if query.columns[name]["isBucketed"]]
    root = {**answer.get("aggregations", {}), "doc_count": answer["hits"]["total"]["value"]}
    return dict(_flatten(query, root, buckets, ()))


def _flatten(
    query: PanelQuery, node: Json, buckets: list[str], key: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    if not buckets:
        yield key, tuple(_read(query.columns[name], node, name) for name in numbers_of(query))
        return
    column = query.columns[buckets[0]]
    for bucket in node[buckets[0]]["buckets"]:
        if bucket["doc_count"] == 0:  # a time in which nothing was
            continue
        value = bucket["key"]
        if column["operationType"] == "date_histogram":
            value = bucket["key_as_string"][: _LENGTHS[interval_of(column)]]
        yield from _flatten(query, bucket, buckets[1:], (*key, value))


def _read(column: Json, node: Json, name: str) -> Any:
    if column["operationType"] == "count":
        return node["doc_count"]
    if column["operationType"] == "last_value":
        (source,) = [hit["_source"] for hit in node[name]["hits"]["hits"]]
        return next(iter(source.values()))
    found = node[name]
    return (
        found.get("value_as_string", found["value"])
        if column["dataType"] == "date"
        else (found["value"])
    )
