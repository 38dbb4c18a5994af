"""Symbols of the store and the numbers it knows them by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, select, union

from market.errors import NotFound, shown
from market.interval import Interval
from market.store import tables as t
from market.store.engine import Store
from market.store.upsert import upsert

#: The exchange whose symbols are meant where none is named.
VENUE = "binance"
_NAMES_A_STATEMENT = 500


class Symbol(NamedTuple):
    """One symbol as the exchange described it; `info` is its exchangeInfo entry, JSON."""

    symbol: str
    base_asset: str
    quote_asset: str
    status: str
    info: str


class Series(NamedTuple):
    """One symbol at one interval, with the symbol's number in the store."""

    symbol_id: int
    symbol: str
    interval: Interval
    venue: str = VENUE


class SeriesExtent(NamedTuple):
    """What is stored of a series: rows, first and last open time, watermark."""

    series: Series
    rows: int
    first_open_ms: int
    last_open_ms: int
    watermark_ms: int | None


def write_symbols(
    store: Store, symbols: Iterable[Symbol], seen_ms: int, *, venue: str = VENUE
) -> None:
    """Add symbols whose klines are wanted, or refresh what the exchange says of them."""
    wanted = {symbol.symbol: symbol for symbol in symbols}
    if wanted:
        store.transact(lambda connection: _register(connection, wanted, seen_ms, venue))


def _register(connection: Connection, wanted: dict[str, Symbol], seen_ms: int, venue: str) -> None:
    refresh_symbols(connection, wanted, seen_ms, venue)
    s = t.symbols.c
    names = list(wanted)
    for start in range(0, len(names), _NAMES_A_STATEMENT):
        unregistered = t.symbols.update().where(
            s.venue == venue,
            s.symbol.in_(names[start : start + _NAMES_A_STATEMENT]),
            s.registered_ms.is_(None),
        )
        connection.execute(unregistered.values(registered_ms=seen_ms))


def refresh_symbols(
    connection: Connection, wanted: Mapping[str, Symbol], seen_ms: int, venue: str
) -> None:
    """Add symbols, or refresh what the exchange says of them, within a transaction."""
    # Not one upsert: on MySQL each refreshed row would use up a number.
    stored = {symbol.symbol: (number, symbol) for number, symbol in read_listed(connection, venue)}
    fresh = [
        {"venue": venue, **symbol._asdict(), "first_seen_ms": seen_ms, "last_seen_ms": seen_ms}
        for name, symbol in wanted.items()
        if name not in stored
    ]
    described = ("base_asset", "quote_asset", "status", "info")
    if fresh:  # another process may add the same ones meanwhile
        upsert(connection, t.symbols, fresh, key=("venue", "symbol"), replace=described)
    seen = [stored[name] for name in wanted if name in stored]
    for number, known in seen:
        symbol = wanted[known.symbol]
        if symbol != known:
            values = {name: getattr(symbol, name) for name in described}
            connection.execute(t.symbols.update().where(t.symbols.c.id == number).values(values))
    for start in range(0, len(seen), _NAMES_A_STATEMENT):
        numbers = [number for number, _ in seen[start : start + _NAMES_A_STATEMENT]]
        connection.execute(
            t.symbols.update().where(t.symbols.c.id.in_(numbers)).values(last_seen_ms=seen_ms)
        )


def lock_symbol(connection: Connection, symbol_id: int) -> None:
    """Keep other writers of this symbol's klines out until the transaction ends.

    SQLite has one writer at a time anyway.
    """
    query = select(t.symbols.c.id).where(t.symbols.c.id == symbol_id).with_for_update()
    connection.execute(query)


def find_series(
    connection: Connection, symbol: str, interval: Interval, *, venue: str = VENUE
) -> Series:
    """Return the series of a symbol whose klines are, or are to be, in the store.

    Raises:
        NotFound: nobody asked for the symbol's klines.
    """
    s = t.symbols.c
    query = select(s.id).where(s.venue == venue, s.symbol == symbol, s.registered_ms.is_not(None))
    symbol_id = connection.execute(query).scalar_one_or_none()
    if symbol_id is None:
        raise NotFound(
            f"symbol {shown(symbol)} is not known here",
            hint="GET /v1/symbols lists what is stored; add it to KLINECAST_SYMBOLS to follow it.",
        )
    return Series(symbol_id, symbol, interval, venue)


def read_symbols(connection: Connection, *, venue: str = VENUE) -> list[tuple[int, Symbol]]:
    """Return every symbol whose klines are wanted with its number, ordered by name."""
    return _read(connection, t.symbols.c.venue == venue, t.symbols.c.registered_ms.is_not(None))


def read_listed(connection: Connection, venue: str = VENUE) -> list[tuple[int, Symbol]]:
    """Return every symbol the venue was seen to list with its number, ordered by name."""
    return _read(connection, t.symbols.c.venue == venue)


def _read(connection: Connection, *conditions: ColumnElement[bool]) -> list[tuple[int, Symbol]]:
    columns = t.symbols.c
    query = select(columns.id, *(columns[name] for name in Symbol._fields))
    query = query.where(*conditions).order_by(columns.symbol)
    return [(row[0], Symbol(*row[1:])) for row in connection.execute(query)]


def read_extents(connection: Connection, *, venue: str = VENUE) -> list[SeriesExtent]:
    """Return what is stored of every series that holds a kline, ordered by its numbers."""
    k, w = t.klines.c, t.watermarks.c
    counted = (
        select(
            k.symbol_id,
            k.interval_id,
            func.count().label("rows"),
            func.min(k.open_time_ms).label("first"),
            func.max(k.open_time_ms).label("last"),
        )
        .group_by(k.symbol_id, k.interval_id)
        .subquery()
    )
    query = (
        select(counted, t.symbols.c.symbol, w.open_time_ms.label("watermark"))
        .join(t.symbols, t.symbols.c.id == counted.c.symbol_id)
        .where(t.symbols.c.venue == venue)
        .outerjoin(
            t.watermarks,
            (w.symbol_id == counted.c.symbol_id) & (w.interval_id == counted.c.interval_id),
        )
        .order_by(t.symbols.c.symbol, counted.c.interval_id)
    )
    return [_extent(row, venue) for row in connection.execute(query)]


class SeriesBounds(NamedTuple):
    """The first and the newest stored open time of a series."""

    series: Series
    first_open_ms: int
    newest_open_ms: int


def read_bounds(connection: Connection, *, venue: str = VENUE) -> list[SeriesBounds]:
    """Return the bounds of every series of a venue that holds a kline.

    Unlike `read_extents` it counts no rows: each bound is one look into an index.
    """
    k, s = t.klines, t.symbols.c
    loaded = union(
        select(t.watermarks.c.symbol_id, t.watermarks.c.interval_id),
        select(t.gaps.c.symbol_id, t.gaps.c.interval_id),
        select(t.ingest_batches.c.symbol_id, t.ingest_batches.c.interval_id),
    ).subquery()
    of_it = (k.c.symbol_id == loaded.c.symbol_id) & (k.c.interval_id == loaded.c.interval_id)
    first = select(func.min(k.c.open_time_ms)).where(of_it).scalar_subquery()
    newest = select(func.max(k.c.open_time_ms)).where(of_it).scalar_subquery()
    query = (
        select(loaded.c.symbol_id, loaded.c.interval_id, s.symbol, first, newest)
        .join(t.symbols, s.id == loaded.c.symbol_id)
        .where(s.venue == venue)
        .order_by(s.symbol, loaded.c.interval_id)
    )
    return [
        SeriesBounds(Series(row[0], row[2], Interval.from_number(row[1]), venue), row[3], row[4])
        for row in connection.execute(query)
        if row[3] is not None
    ]


def _extent(row: Row[tuple[object, ...]], venue: str) -> SeriesExtent:
    series = Series(row.symbol_id, row.symbol, Interval.from_number(row.interval_id), venue)
    return SeriesExtent(series, row.rows, row.first, row.last, row.watermark)


def write_watermark(connection: Connection, series: Series, open_time_ms: int | None) -> None:
    """Set, or with `None` clear, the watermark of a series."""
    w = t.watermarks.c
    if open_time_ms is None:
        connection.execute(
            t.watermarks.delete().where(
                w.symbol_id == series.symbol_id, w.interval_id == series.interval.number
            )
        )
        return
    row = {
        "symbol_id": series.symbol_id,
        "interval_id": series.interval.number,
        "open_time_ms": open_time_ms,
    }
    upsert(connection, t.watermarks, [row], key=("symbol_id", "interval_id"))


def read_watermark(connection: Connection, series: Series) -> int | None:
    """Return the newest open time below which no unexplained gap remains."""
    w = t.watermarks.c
    query = select(w.open_time_ms).where(
        w.symbol_id == series.symbol_id, w.interval_id == series.interval.number
    )
    return connection.execute(query).scalar_one_or_none()
