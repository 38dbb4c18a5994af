"""`klinecast-history lake …`: closed months as a Parquet lake on a folder or an object store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from api_historic.lake.lake import Lake
from api_historic.lake.publishing import Finding, Put, publish_series, verify_series
from api_historic.stored_series import (
    Intervals,
    Json,
    Symbols,
    opened_store,
    read_series,
    write_json,
)
from market import log
from market.command import stderr
from market.errors import Conflict, InvalidParameter, SettingsError
from market.settings import StoreSettings, load_settings
from market.store import Store

lake = typer.Typer(help="A Parquet lake of closed months.", no_args_is_help=True)

Place = Annotated[str, typer.Option("--to", help="file:///absolute/path or s3://bucket/prefix")]


def add_lake_commands(app: typer.Typer) -> None:
    """Add `lake` to a command line."""
    app.add_typer(lake, name="lake")


@lake.command("publish")
def publish(
    to: Place, symbol: Symbols = None, interval: Intervals = None, json: Json = False
) -> None:
    """Put closed months that are not there yet, and again those that were restated."""
    total: Counter[Put] = Counter()
    with _opened(to) as (place, store):
        for series in read_series(store, symbol, interval):
            done = publish_series(store, place, series)
            total += done
            stderr.print(f"{series.symbol} {series.interval}: {_words(done)}")
    if json:
        write_json({put.value: total[put] for put in Put})
    else:
        typer.echo(f"{to}: {_words(total)}")


@lake.command("verify")
def verify(
    to: Place, symbol: Symbols = None, interval: Intervals = None, json: Json = False
) -> None:
    """Compare every file with the store, row by row; ends with 1 where one differs."""
    total: Counter[Finding] = Counter()
    faults: list[dict[str, Any]] = []
    with _opened(to) as (place, store):
        for series in read_series(store, symbol, interval):
            for month, finding in verify_series(store, place, series):
                total[finding] += 1
                if finding is not Finding.EQUAL:
                    where = {"symbol": series.symbol, "interval": series.interval.value}
                    faults.append({**where, "month": month, "finding": finding.value})
                    stderr.print(f"{series.symbol} {series.interval} {month}: {finding.value}")
    if json:
        write_json({**{one.value: total[one] for one in Finding}, "faults": faults})
    else:
        typer.echo(f"{to}: {_words(total)}")
    if faults:
        raise Conflict(
            f"{len(faults)} months of the lake are not as the store has them",
            hint="`klinecast-history lake publish` brings what is missing, restated or damaged;"
            " remove by hand what is different, and what is extra.",
        )


def _words(counts: Counter[Any]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "nothing"


@contextmanager
def _opened(to: str) -> Iterator[tuple[Lake, Store]]:
    settings = load_settings(StoreSettings)
    log.configure("history", level=settings.log_level)
    try:
        place = Lake(to)
    except SettingsError as error:
        raise InvalidParameter("--to", to, error.expected, hint=error.hint) from error
    with opened_store(settings) as store:
        yield place, store
