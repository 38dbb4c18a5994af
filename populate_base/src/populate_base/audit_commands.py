"""`populate-base verify` and `repair`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from market import log
from market.command import parse_interval
from market.errors import InvalidParameter
from market.interval import DAY_MS, Interval
from market.settings import load_settings
from market.store import Store
from market.store.symbols import Series, find_series, read_bounds
from populate_base.audit_report import render_repair, render_verify, repair_json, verify_json
from populate_base.backfill import Sources
from populate_base.command import TIME_HELP, Json, check_past, opened_store, read_span, write_result
from populate_base.repair import Repairer
from populate_base.sample import Scope
from populate_base.service import open_sources
from populate_base.settings import PopulateSettings
from populate_base.verify import Verifier

_Symbols = Annotated[
    list[str], typer.Option("--symbol", help="May be repeated; default: all that are stored.")
]
_Intervals = Annotated[
    list[Interval],
    typer.Option(
        "--interval", parser=parse_interval, metavar="INTERVAL", help="Default: all stored ones."
    ),
]
_Start = Annotated[str | None, typer.Option(help=f"Oldest open time: {TIME_HELP}")]
_End = Annotated[str | None, typer.Option(help="First open time left out.")]
_Sample = Annotated[
    float | None,
    typer.Option(help="Fraction of the days compared with the exchange; default 0.02."),
]
_Whole = Annotated[bool, typer.Option("--whole", help="Compare every day with the exchange.")]
_Seed = Annotated[
    int | None, typer.Option(help="Which days the sample is; default: the day's number.")
]
_DEFAULT_FRACTION = 0.02


def add_audit_commands(app: typer.Typer) -> None:
    """Add `verify` and `repair` to a command line."""
    app.command()(verify)
    app.command()(repair)


def verify(  # noqa: PLR0913 - each option of a command line is an argument
    symbol: _Symbols = [],  # noqa: B006 - typer copies it
    interval: _Intervals = [],  # noqa: B006
    start: _Start = None,
    end: _End = None,
    sample: _Sample = None,
    whole: _Whole = False,
    seed: _Seed = None,
    json: Json = False,
) -> None:
    """Recount the store against its ledger and compare it with the exchange; changes nothing.

    Exit status: 0 all agree, 1 there are differences.
    """
    scope = _read_scope(start, end, sample, whole, seed)
    with _opened(scope) as (_, store, sources, scope):
        verifier = Verifier(store, sources, scope)
        audits = [verifier.verify(one) for one in _choose(store, symbol, interval)]
    write_result(json, lambda: verify_json(audits, scope), lambda: render_verify(audits, scope))
    if any(audit.findings for audit in audits):
        raise typer.Exit(1)


def repair(  # noqa: PLR0913 - each option of a command line is an argument
    symbol: _Symbols = [],  # noqa: B006 - typer copies it
    interval: _Intervals = [],  # noqa: B006
    start: _Start = None,
    end: _End = None,
    sample: _Sample = None,
    whole: _Whole = False,
    seed: _Seed = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be.")] = False,
    json: Json = False,
) -> None:
    """Verify, and mend what the exchange can give: gaps, differing klines, restated files.

    Exit status: 0 nothing is left to mend, 1 something is.
    """
    scope = _read_scope(start, end, sample, whole, seed)
    with _opened(scope) as (settings, store, sources, scope):
        worker = Repairer(store, sources, scope, index_klines=settings.index_klines, is_dry=dry_run)
        repairs = [worker.repair(one) for one in _choose(store, symbol, interval)]
        changes = worker.refine(sources.exchange.venue)
    write_result(
        json,
        lambda: repair_json(repairs, changes, scope, is_dry=dry_run),
        lambda: render_repair(repairs, changes, scope, is_dry=dry_run),
    )
    if any(one.left for one in repairs):
        raise typer.Exit(1)


def _read_scope(
    start: str | None, end: str | None, sample: float | None, whole: bool, seed: int | None
) -> Scope:
    start_ms, end_ms = read_span(start, end)
    if sample is not None and whole:
        raise InvalidParameter("sample", sample, "either --sample or --whole")
    if sample is not None and not 0 < sample <= 1:
        raise InvalidParameter("sample", sample, "a fraction above 0, at most 1")
    fraction = 1.0 if whole else (sample or _DEFAULT_FRACTION)
    return Scope(start_ms, end_ms, fraction, -1 if seed is None else seed)


@contextmanager
def _opened(scope: Scope) -> Iterator[tuple[PopulateSettings, Store, Sources, Scope]]:
    settings = load_settings(PopulateSettings)
    log.configure("populate_base", level=settings.log_level)
    with opened_store(settings) as store, open_sources(settings, store) as sources:
        now_ms = sources.exchange.fetch_time_ms()
        if scope.start_ms is not None:
            check_past(scope.start_ms, now_ms)
        seed = now_ms // DAY_MS if scope.seed == -1 else scope.seed
        seeded = Scope(scope.start_ms, scope.end_ms, scope.fraction, seed)
        yield settings, store, sources, seeded


def _choose(store: Store, symbols: list[str], intervals: list[Interval]) -> list[Series]:
    names = list(dict.fromkeys(name.upper() for name in symbols))
    with store.read() as connection:
        stored = [one.series for one in read_bounds(connection)]
        if names and intervals:
            return [find_series(connection, name, one) for name in names for one in intervals]
        for name in names:
            find_series(connection, name, Interval.H1)  # raises where the symbol is unknown
    return [
        series
        for series in stored
        if (not names or series.symbol in names) and (not intervals or series.interval in intervals)
    ]
