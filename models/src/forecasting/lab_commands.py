"""`klinecast-models lab`: planted leaks, and series without anything to find."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from forecasting.command import AsJson, Intervals, Symbols, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecasting.panel import Panel

_HistoryUrl = Annotated[
    str | None, typer.Option("--history-url", help="Default: KLINECAST_HISTORY_URL.")
]
_Seeds = Annotated[int, typer.Option("--seeds", min=1, help="Series of each control.")]

lab = typer.Typer(help="What a forecaster must not fall for.", no_args_is_help=True)


@lab.command()
def leak(
    symbol: Symbols = None,
    interval: Intervals = None,
    history_url: _HistoryUrl = None,
    as_json: AsJson = False,
) -> None:
    """Plant six classic leaks; print their fake scores beside the honest ones."""
    from dataclasses import asdict

    from forecasting.lab.leaks import MAX_ROWS, find_leaks

    panel = _read_panel(symbol, interval, history_url, MAX_ROWS)
    findings = [asdict(finding) for finding in find_leaks(panel)]
    name = f"{panel.symbol} {panel.interval}"
    if as_json:
        _write_json({"series": name, "rows": min(len(panel), MAX_ROWS), "leaks": findings})
        return
    rows = [
        (
            one["name"], one["what"], one["unit"], f"{one['fake']:.3f}", f"{one['honest']:.3f}",
            "; ".join(one["caught"]) or "NOT CAUGHT",
        )
        for one in findings
    ]  # fmt: skip
    heads = ("leak", "what is done", "score", "fake", "honest", "caught because")
    _write_table(f"{name}, {min(len(panel), MAX_ROWS)} klines", heads, rows)


@lab.command()
def controls(seeds: _Seeds = 20, as_json: AsJson = False) -> None:
    """Judge shuffled returns, a random walk, and a walk with a planted AR(1) of .1."""
    from forecasting.lab.controls import Control, iter_controls

    counts = {}
    for control in get_args(Control):
        claimed = list(iter_controls(control, range(seeds)))
        counts[control] = {
            "seeds": seeds,
            "no_skill": sum(not any(one) for one in claimed),
            "ranges": sum(one.ranges for one in claimed),
            "point": sum(one.point for one in claimed),
            "direction": sum(one.direction for one in claimed),
            "found": sum(one.point or one.direction for one in claimed),
        }
    if as_json:
        _write_json({"controls": counts})
        return
    heads = ("control", "seeds", "no skill", "ranges", "point", "direction", "point or direction")
    _write_table(
        "what was claimed, by number of seeds",
        heads,
        [(name, *map(str, count.values())) for name, count in counts.items()],
    )


def _read_panel(
    symbol: list[str] | None, interval: list[str] | None, history_url: str | None, rows: int
) -> Panel:
    from forecasting.desk import followed_series
    from forecasting.lab.leaks import MIN_ROWS
    from forecasting.source import KlineSource
    from klinecast_client import Client
    from market.errors import Conflict, NotFound

    settings = read_settings()
    series = next(iter(followed_series(settings, symbol, interval)), None)
    if series is None:
        raise NotFound("no series is followed; name one by --symbol and --interval")
    with closing(Client(history_url or settings.history_url, settings.history_token)) as client:
        panel = KlineSource(client).read_newest(*series, rows)
    if len(panel) < MIN_ROWS:
        raise Conflict(
            f"{series[0]} {series[1]} has {len(panel)} klines; the lab needs {MIN_ROWS}",
            hint="Backfill more history, or take a shorter interval.",
        )
    return panel


def _write_json(body: dict[str, Any]) -> None:
    import orjson

    sys.stdout.write(orjson.dumps(body).decode() + "\n")


def _write_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*heads, title=title)
    for row in rows:
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=180)).print(table)


def add_lab_commands(app: typer.Typer) -> None:
    """Add the lab to the models' command line."""
    app.add_typer(lab, name="lab")
