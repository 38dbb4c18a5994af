"""What the command line prints: score cards, forecasts and models."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from market.forecast import Forecast, ForecastPage

if TYPE_CHECKING:
    from forecasting.cards import Detail, EvaluationCard
    from forecasting.serve.shapes import ModelPage


def write_cards(cards: Sequence[EvaluationCard]) -> None:
    """Print an evaluation's cards as a table."""
    table = Table("series", "model", "step", "n", "ranges vs constant", "vs EWMA", "p")
    for name in ("in 50 %", "in 80 %", "in 95 %", "worst 30 days", "MAE/naive", "direction"):
        table.add_column(name)
    table.add_column("ranges")
    for card in cards:
        worst = card.worst_30d_coverage_80
        table.add_row(
            f"{card.symbol} {card.interval}",
            card.model,
            str(card.step),
            str(card.n),
            f"{card.skill_vs_random_walk:+.2%}",
            f"{card.skill_vs_ewma:+.2%}",
            f"{card.dm_p:.2g}",
            f"{card.coverage_50:.1%}",
            f"{card.coverage_80:.1%}",
            f"{card.coverage_95:.1%}",
            "-" if worst is None else f"{worst:.1%}",
            f"{card.mae_ratio:.5f}",
            card.direction_verdict,
            card.verdict,
        )
    # Wide enough for every column where the output is a file.
    console = Console()
    (console if console.is_terminal else Console(width=180)).print(table)


def write_details(details: Sequence[Detail]) -> None:
    """Print what the cards have no place for, a line a regime."""
    table = Table("series", "model", "step", "QLIKE", "Brier", "MASE", "skill vs constant, 95 %")
    for name in ("vs EWMA, 95 %", "calm", "normal", "rough", "up", "down", "flat"):
        table.add_column(name)
    for one in details:
        regimes = {regime.name: f"{regime.skill_vs_ewma:+.1%}" for regime in one.regimes}
        table.add_row(
            f"{one.symbol} {one.interval}",
            one.model,
            str(one.step),
            "-" if one.qlike is None else f"{one.qlike:.3f}",
            f"{one.brier:.4f}",
            f"{one.mase:.4f}",
            "{:+.1%} {:+.1%}".format(*one.skill_vs_random_walk_95),
            "{:+.1%} {:+.1%}".format(*one.skill_vs_ewma_95),
            *(regimes.get(n, "-") for n in ("calm", "normal", "rough", "up", "down", "flat")),
        )
    console = Console()
    (console if console.is_terminal else Console(width=180)).print(table)


def write_forecasts(forecasts: Sequence[Forecast], *, as_json: bool) -> None:
    """Print forecasts: one object, or a few steps of each."""
    if as_json:
        sys.stdout.write(ForecastPage(forecasts=list(forecasts)).model_dump_json() + "\n")
        return
    for forecast in forecasts:
        title = f"{forecast.symbol} {forecast.interval} by {forecast.version}, last close"
        table = Table("step", "point", "80 % from", "to", title=f"{title} {forecast.last_close:g}")
        for step in forecast.steps:
            if step.step in (1, 6, 12, 24, 50):
                low, high = step.quantiles["0.1"], step.quantiles["0.9"]
                table.add_row(str(step.step), f"{step.point:.8g}", f"{low:.8g}", f"{high:.8g}")
        Console().print(table)
        sys.stdout.write(
            f"skill of the ranges: {forecast.verdict}, of the point: {forecast.point_verdict},"
            f" direction: {forecast.direction_verdict}; {forecast.signal.action}:"
            f" {forecast.signal.reason}\n"
        )


def write_models(page: ModelPage, *, as_json: bool) -> None:
    """Print published models: one object, or a table."""
    if as_json:
        sys.stdout.write(page.model_dump_json() + "\n")
        return
    table = Table("series", "model", "version", "trained up to (ms)", "champion because")
    for series in page.series:
        for model in series.models:
            reason = series.champion.reason if model.is_champion and series.champion else ""
            name = f"{series.symbol} {series.interval}"
            table.add_row(name, model.model, model.version, str(model.trained_to_ms), reason)
    Console().print(table)
