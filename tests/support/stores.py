"""Filling and looking into a store."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, text

from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store.klines import Batch, Source, read_klines
from market.store.symbols import Series, Symbol, find_series, write_symbols
from market.store.tables import metadata

BATCH = Batch(Source.REST, "test", 1_000)


def stored(store: Store, series: Series) -> list[Kline]:
    """Return every stored kline of a series."""
    with store.read() as connection:
        return read_klines(connection, series, None, None, 1_000_000)


def count(store: Store, table: str) -> int:
    """Return how many rows a table holds."""
    with store.read() as connection:
        query = select(func.count()).select_from(metadata.tables[table])
        return int(connection.execute(query).scalar_one())


def rows(store: Store, query: str) -> list[dict[str, Any]]:
    """Return what a query yields, a dictionary a row."""
    with store.read() as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def add_series(store: Store, symbol: str, interval: Interval) -> Series:
    """Make the store know a symbol; return its series."""
    write_symbols(store, [Symbol(symbol, symbol[:3], symbol[3:], "TRADING", "{}")], seen_ms=1)
    with store.read() as connection:
        return find_series(connection, symbol, interval)
