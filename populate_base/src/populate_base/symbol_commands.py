"""`populate-base symbols`: the universe, now or as of a day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from market import log
from market.command import time_option
from market.settings import load_settings
from market.store import Store
from market.store.symbol_states import ListedSymbol, read_universe
from market.store.symbols import VENUE
from market.times import format_time
from populate_base.command import TIME_HELP, Json, opened_store, write_result
from populate_base.lifecycle import learn_gone, take_snapshot
from populate_base.service import open_sources
from populate_base.settings import PopulateSettings


def add_symbol_commands(app: typer.Typer) -> None:
    """Add `symbols` to a command line."""
    app.command()(symbols)


def symbols(
    as_of: Annotated[
        str | None,
        typer.Option(help=f"As they were at a time: {TIME_HELP}"),
    ] = None,
    quote: Annotated[str | None, typer.Option(help="Only those of a quote asset.")] = None,
    status: Annotated[
        str | None, typer.Option(help="Only those of a status: TRADING, HALT, BREAK, GONE.")
    ] = None,
    archive: Annotated[
        bool, typer.Option("--archive", help="Learn of delisted symbols from the archive first.")
    ] = False,
    json: Json = False,
) -> None:
    """List the symbols of the exchange; the answer is kept as a snapshot.

    With --as-of the snapshots and lives in the store tell, and no exchange is asked.
    """
    as_of_ms = time_option("as-of", as_of)
    settings = load_settings(PopulateSettings)
    log.configure("populate_base", level=settings.log_level)
    with opened_store(settings) as store:
        if as_of_ms is None or archive:
            _refresh(store, settings, archive=archive)
        with store.read() as connection:
            listed = read_universe(connection, as_of_ms, venue=VENUE)
    chosen = [
        one
        for one in listed
        if (quote is None or one.symbol.quote_asset == quote.upper())
        and (status is None or one.symbol.status == status.upper())
    ]
    write_result(json, lambda: _as_json(chosen, as_of_ms), lambda: _render(chosen))


def _refresh(store: Store, settings: PopulateSettings, *, archive: bool) -> None:
    with open_sources(settings, store) as sources:
        now_ms = sources.exchange.fetch_time_ms()
        take_snapshot(store, sources.exchange, now_ms)
        if archive:
            learn_gone(store, sources.archive, now_ms, workers=settings.downloads)


def _as_json(listed: Sequence[ListedSymbol], as_of_ms: int | None) -> dict[str, Any]:
    return {
        "venue": VENUE,
        "as_of_ms": as_of_ms,
        "symbols": [
            {
                "symbol": one.symbol.symbol,
                "base_asset": one.symbol.base_asset,
                "quote_asset": one.symbol.quote_asset,
                "status": one.symbol.status,
                "since_ms": one.since_ms,
                **one.life._asdict(),
                "stored": one.is_registered,
            }
            for one in listed
        ],
    }


def _render(listed: Sequence[ListedSymbol]) -> Iterator[str]:
    for one in listed:
        parts = [f"{one.symbol.symbol:<16} {one.symbol.status:<8}"]
        if one.life.listed_ms is not None:
            parts.append(f"listed {format_time(one.life.listed_ms)[:16]}")
        if one.life.delisted_ms is not None:
            parts.append(f"ended {format_time(one.life.delisted_ms)[:16]}")
        if one.life.successor is not None:
            parts.append(f"goes on as {one.life.successor}")
        yield "  ".join(parts).rstrip()
    yield f"{len(listed):,} symbols."
