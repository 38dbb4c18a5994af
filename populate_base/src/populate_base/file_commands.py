"""`populate-base export` and `import`: klines between the store and files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from market import log
from market.clock import ExchangeClock
from market.command import parse_interval
from market.errors import ExchangeUnavailable, NotFound, SettingsError
from market.gaps import Gap
from market.interval import Interval
from market.settings import load_settings
from market.store import Store
from market.store.symbols import Series, find_series
from market.times import format_time
from populate_base.command import (
    TIME_HELP,
    Json,
    measure_once,
    opened_store,
    read_span,
    write_result,
)
from populate_base.file_export import ExportReport, export_series
from populate_base.file_format import FileFormat
from populate_base.file_import import Importer, import_json, render_import
from populate_base.file_klines import Rules
from populate_base.service import open_sources
from populate_base.settings import PopulateSettings
from populate_base.universe import register_series

_Symbol = Annotated[str, typer.Option("--symbol", help="Such as BTCUSDT.")]
_Interval = Annotated[
    Interval, typer.Option("--interval", parser=parse_interval, metavar="INTERVAL", help="1s to 1M")
]


def add_file_commands(app: typer.Typer) -> None:
    """Add `export` and `import` to a command line."""
    app.command("export")(export_klines)
    app.command("import")(import_klines)


def export_klines(  # noqa: PLR0913 - each option of a command line is an argument
    symbol: _Symbol,
    interval: _Interval,
    kind: Annotated[FileFormat, typer.Option("--format", help="What to write.")],
    out: Annotated[Path, typer.Option(help="The file; one of that name is replaced.")],
    start: Annotated[str | None, typer.Option(help=f"Oldest open time: {TIME_HELP}")] = None,
    end: Annotated[str | None, typer.Option(help="First open time left out.")] = None,
    json: Json = False,
) -> None:
    """Write the stored klines that open in [start, end) to a file; needs no exchange."""
    span = read_span(start, end)
    settings = load_settings(PopulateSettings)
    log.configure("populate_base", level=settings.log_level)
    with opened_store(settings) as store:
        with store.read() as connection:
            series = find_series(connection, symbol.upper(), interval)
        report = export_series(store, series, span, kind, out)
    write_result(json, lambda: _export_json(report, series), lambda: _render_export(report, series))


def import_klines(  # noqa: PLR0913 - each option of a command line is an argument
    file: Annotated[Path, typer.Argument(help="A .csv, .csv.gz, .parquet or .feather file.")],
    symbol: _Symbol,
    interval: _Interval,
    utc: Annotated[
        bool, typer.Option("--utc", help="Take times without an offset for UTC.")
    ] = False,
    salvage: Annotated[
        bool,
        typer.Option(
            "--salvage",
            help="Mend and count what is otherwise refused: binary noise behind the eighth"
            " decimal, several states of one kline, klines not closed.",
        ),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace stored klines of other values.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring the klines of a file into the store, all of them checked before one is written."""
    settings = load_settings(PopulateSettings)
    log.configure("populate_base", level=settings.log_level)
    with opened_store(settings) as store:
        series = _find_or_register(settings, store, symbol.upper(), interval)
        rules = Rules(_now_ms(settings, store), naive_is_utc=utc, salvage=salvage)
        importer = Importer(store, rules, replace=replace, index_klines=settings.index_klines)
        report = importer.run(series, file)
    write_result(json, lambda: import_json(report, series), lambda: render_import(report, series))


def _find_or_register(
    settings: PopulateSettings, store: Store, symbol: str, interval: Interval
) -> Series:
    try:
        with store.read() as connection:
            return find_series(connection, symbol, interval)
    except NotFound:
        with open_sources(settings, store) as sources:
            now_ms = sources.exchange.fetch_time_ms()
            return register_series(store, sources.exchange, [symbol], [interval], now_ms)[0]


def _now_ms(settings: PopulateSettings, store: Store) -> int:
    clock = ExchangeClock()
    try:
        measure_once(clock, settings, store)
    except (ExchangeUnavailable, SettingsError):
        # The demo's clock is not ours; a real exchange's is, but for fractions of a second.
        if settings.demo:
            raise
    return clock.now_ms()


def _export_json(report: ExportReport, series: Series) -> dict[str, object]:
    return {
        "symbol": series.symbol,
        "interval": series.interval.value,
        "file": str(report.path),
        "klines": report.klines,
        "first_open_time_ms": report.first_open_ms,
        "last_open_time_ms": report.last_open_ms,
        "completeness": report.completeness,
        "gaps": [gap._asdict() for gap in report.gaps],
    }


def _render_export(report: ExportReport, series: Series) -> Iterator[str]:
    yield (
        f"{report.path}: {report.klines:,} klines of {series.symbol} {series.interval} from"
        f" {format_time(report.first_open_ms)} to {format_time(report.last_open_ms)},"
        f" {report.completeness:.4%} complete"
    )
    for gap in report.gaps:
        yield f"  missing: {_say_gap(gap)}"


def _say_gap(gap: Gap) -> str:
    return f"{format_time(gap.start_ms)} to {format_time(gap.end_ms)}, {gap.cause}"
