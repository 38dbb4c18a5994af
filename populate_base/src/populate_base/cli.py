"""`populate-base`: Binance klines into the store."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Annotated, cast

import orjson
import typer
from rich.console import Console
from rich.table import Table

from market import log
from market.clock import ExchangeClock
from market.command import parse_interval, run_command, stderr, stop_on_signals
from market.errors import ExchangeUnavailable, SettingsError
from market.interval import Interval
from market.settings import load_settings
from market.store import Store
from market.store.symbols import VENUE
from populate_base.audit_commands import add_audit_commands
from populate_base.backfill import Backfill, Pace, Sources
from populate_base.command import (
    TIME_HELP,
    Json,
    check_past,
    measure_once,
    opened_store,
    read_span,
    write_result,
)
from populate_base.exchange import Exchange
from populate_base.file_commands import add_file_commands
from populate_base.gone import GoneSource, read_gone
from populate_base.lifecycle import learn_lives
from populate_base.progress import BarProgress, LoggedProgress, ProgressDisplay
from populate_base.refine import refine_outages
from populate_base.report import render_reports, reports_json
from populate_base.service import open_sources, run_follow
from populate_base.settings import PopulateSettings
from populate_base.status import (
    read_status,
    read_weight_status,
    status_json,
    status_table,
    weight_sentence,
)
from populate_base.symbol_commands import add_symbol_commands
from populate_base.universe import register_series

app = typer.Typer(help="Binance klines into the store.", no_args_is_help=True, add_completion=False)

Symbols = Annotated[list[str], typer.Option("--symbol", help="Such as BTCUSDT; may be repeated.")]
Intervals = Annotated[
    list[Interval],
    typer.Option(
        "--interval", parser=parse_interval, metavar="INTERVAL", help="1s to 1M; may be repeated."
    ),
]
_TABLE_WIDTH = 120


@app.callback()
def _app() -> None:
    """Binance klines into the store."""


@app.command()
def backfill(
    symbol: Symbols,
    interval: Intervals,
    start: Annotated[str, typer.Option(help=f"Oldest open time: {TIME_HELP}")],
    end: Annotated[
        str | None, typer.Option(help="First open time left out; default: the exchange's now.")
    ] = None,
    json: Json = False,
) -> None:
    """Bring closed klines that open in [start, end) into the store; again changes nothing."""
    settings = load_settings(PopulateSettings)
    log.configure("populate_base", level=_quiet_level(settings))
    start_ms, end_ms = read_span(start, end)
    if start_ms is None:
        raise AssertionError("typer demands --start")
    with opened_store(settings) as store, open_sources(settings, store) as sources:
        check_past(start_ms, sources.exchange.fetch_time_ms())
        names = list(dict.fromkeys(name.upper() for name in symbol))
        series = register_series(store, sources.exchange, names, interval, sources.clock.now_ms())
        started_s = time.perf_counter()
        pace = Pace(settings.downloads, settings.index_klines)
        with _show_progress() as progress:
            work = Backfill(store, _with_gone(store, sources), progress, pace)
            reports = [work.run(one, start_ms, end_ms) for one in series]
        learn_lives(store, sources.clock.now_ms(), venue=sources.exchange.venue)
        refine_outages(store, sources.clock.now_ms(), venue=sources.exchange.venue)
        seconds = time.perf_counter() - started_s
    write_result(
        json, lambda: reports_json(reports, seconds), lambda: render_reports(reports, seconds)
    )


@app.command()
def follow() -> None:
    """Backfill every series of the settings, then store klines as they close."""
    settings = load_settings(PopulateSettings)
    log.configure("populate_base", level=settings.log_level)
    run_follow(settings, stop_on_signals())


@app.command()
def status(json: Json = False) -> None:
    """Show what the store holds of each series; needs no exchange."""
    settings = load_settings(PopulateSettings)
    log.configure("populate_base", level=settings.log_level)
    clock = ExchangeClock()
    with opened_store(settings) as store:
        # Only the lag needs the exchange's time; without it the lag is unknown.
        with suppress(ExchangeUnavailable, SettingsError):
            measure_once(clock, settings, store)
        statuses = read_status(store, clock)
        machine_ms = time.time_ns() // 1_000_000
        weight = read_weight_status(store, VENUE, settings.weight_share, machine_ms)
    if json:
        _print_json(status_json(statuses, weight))
    elif statuses:
        _print_table(status_table(statuses))
        sys.stdout.write(weight_sentence(weight) + "\n")
    else:
        sys.stdout.write("The store holds no kline yet.\n")


def _with_gone(store: Store, sources: Sources) -> Sources:
    venue = sources.exchange.venue
    exchange = GoneSource(sources.exchange, read_gone(store, venue))
    # A backfill asks for no more than `KlineSource` has.
    return replace(sources, exchange=cast("Exchange", exchange))


def _quiet_level(settings: PopulateSettings) -> str:
    # In a terminal the bar shows what the log would say.
    return "ERROR" if stderr.is_terminal and settings.log_level == "INFO" else settings.log_level


@contextmanager
def _show_progress() -> Iterator[ProgressDisplay]:
    if not stderr.is_terminal:
        yield LoggedProgress()
        return
    with BarProgress(stderr) as bars:
        yield bars


def _print_table(table: Table) -> None:
    console = Console()
    # Rich takes 80 columns where there is no terminal, and would cut the dates.
    Console(width=max(console.width, _TABLE_WIDTH)).print(table)


def _print_json(value: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(value) + b"\n")


add_audit_commands(app)
add_file_commands(app)
add_symbol_commands(app)


def main() -> None:
    """Run the command line."""
    run_command(app)
