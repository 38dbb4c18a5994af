"""What the exchange said of its symbols, and from when on: the universe of any day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, func, literal, select

from market.store import tables as t
from market.store.engine import Store
from market.store.symbols import VENUE, Symbol, read_listed, refresh_symbols
from market.store.upsert import upsert

#: The status of a symbol that the exchange no longer lists; none of Binance's own.
GONE = "GONE"
_ROWS_A_STATEMENT = 500


class Lifecycle(NamedTuple):
    """What is known of a symbol's life; each `None` where it is not.

    Attributes:
        listed_ms: the open time of its first kline ever.
        delisted_ms: the end of its last kline, of a symbol that trades no more.
        successor: the symbol it goes on as.
    """

    listed_ms: int | None = None
    delisted_ms: int | None = None
    successor: str | None = None


class ListedSymbol(NamedTuple):
    """One symbol of a venue as it was at a time; `since_ms` is when it began to be so."""

    symbol: Symbol
    since_ms: int
    life: Lifecycle
    is_registered: bool


def write_snapshot(
    store: Store, symbols: Iterable[Symbol], seen_ms: int, *, venue: str = VENUE
) -> list[str]:
    """Keep what the exchange says of all its symbols; return the names of those that changed.

    A state is added where status or filters are not what they were. A symbol that was
    listed before and is not among `symbols` is `GONE` from now on.
    """
    listed = {symbol.symbol: symbol for symbol in symbols}
    return store.transact(lambda connection: _keep(connection, listed, seen_ms, venue))


def _keep(
    connection: Connection, listed: Mapping[str, Symbol], seen_ms: int, venue: str
) -> list[str]:
    refresh_symbols(connection, listed, seen_ms, venue)
    states = _read_states(connection, venue, None)
    fresh: list[dict[str, Any]] = []
    changed: list[str] = []
    for number, known in read_listed(connection, venue):
        symbol = listed.get(known.symbol, known._replace(status=GONE))
        last = states.get(number)
        if last is not None and _rules(last.status, last.info) == _rules(
            symbol.status, symbol.info
        ):
            continue
        changed.append(symbol.symbol)
        fresh.append(
            {
                "symbol_id": number,
                "since_ms": seen_ms,
                "status": symbol.status,
                "info": symbol.info,
            }
        )
        if symbol.status == GONE:
            gone = t.symbols.update().where(t.symbols.c.id == number)
            connection.execute(gone.values(status=GONE))
    for start in range(0, len(fresh), _ROWS_A_STATEMENT):
        rows = fresh[start : start + _ROWS_A_STATEMENT]
        upsert(connection, t.symbol_states, rows, key=("symbol_id", "since_ms"))
    return changed


def _rules(status: str, info: str) -> tuple[str, object]:
    try:
        entry = orjson.loads(info)
    except ValueError:
        return status, info
    return status, entry.get("filters") if isinstance(entry, dict) else info


def _read_states(
    connection: Connection, venue: str, as_of_ms: int | None, *, with_info: bool = True
) -> dict[int, Any]:
    """Return the newest state of each symbol, at a time or at all."""
    own = t.symbol_states.c
    info = own.info if with_info else _no_info()
    newest = (
        select(own.symbol_id, func.max(own.since_ms).label("since_ms"))
        .join(t.symbols, t.symbols.c.id == own.symbol_id)
        .where(t.symbols.c.venue == venue)
        .group_by(own.symbol_id)
    )
    if as_of_ms is not None:
        newest = newest.where(own.since_ms <= as_of_ms)
    chosen = newest.subquery()
    query = select(own.symbol_id, own.since_ms, own.status, info).join(
        chosen, (chosen.c.symbol_id == own.symbol_id) & (chosen.c.since_ms == own.since_ms)
    )
    return {row.symbol_id: row for row in connection.execute(query)}


def _no_info() -> Any:
    return literal("").label("info")


def read_universe(
    connection: Connection,
    as_of_ms: int | None = None,
    *,
    venue: str = VENUE,
    with_info: bool = True,
) -> list[ListedSymbol]:
    """Return the symbols of a venue as they were at a time (default: now), by name.

    A symbol is part of it from the first snapshot that told of it on, or from its first
    kline on where that came earlier: between the two its status is `TRADING`, which its
    klines prove. One that traded no more at the time is part of it as `GONE`. Without
    `with_info` the entries' `info`, most of what there is to read, is empty.
    """
    states = _read_states(connection, venue, as_of_ms, with_info=with_info)
    s = t.symbols.c
    names = ("base_asset", "quote_asset", "listed_ms", "delisted_ms", "successor", "registered_ms")
    info = s.info if with_info else _no_info()
    query = select(s.id, s.symbol, s.status, info, s.first_seen_ms, *(s[name] for name in names))
    found: list[ListedSymbol] = []
    for row in connection.execute(query.where(s.venue == venue).order_by(s.symbol)):
        told = _state_at(row, states.get(row.id), as_of_ms)
        if told is None:
            continue
        since_ms, status, info = told
        symbol = Symbol(row.symbol, row.base_asset, row.quote_asset, status, info)
        life = Lifecycle(row.listed_ms, row.delisted_ms, row.successor)
        found.append(ListedSymbol(symbol, since_ms, life, row.registered_ms is not None))
    return found


def _state_at(row: Any, state: Any, as_of_ms: int | None) -> tuple[int, str, str] | None:
    if state is not None:
        return state.since_ms, state.status, state.info
    if as_of_ms is None:
        return row.first_seen_ms, row.status, row.info
    if row.delisted_ms is not None and row.delisted_ms <= as_of_ms:
        return row.delisted_ms, GONE, row.info
    if row.listed_ms is not None and row.listed_ms <= as_of_ms:
        return row.listed_ms, "TRADING", row.info
    return None


def write_lifecycle(
    connection: Connection, symbol: str, life: Lifecycle, *, venue: str = VENUE
) -> None:
    """Set what is known of a symbol's life."""
    s = t.symbols.c
    found = t.symbols.update().where(s.venue == venue, s.symbol == symbol)
    connection.execute(found.values(life._asdict()))
