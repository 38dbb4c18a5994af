"""What the command line prints: score cards, forecasts and models."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from market.forecast import Forecast, ForecastPage, ScoreCard, ScorePage

if TYPE_CHECKING:
    from forecasting.serve.shapes import ModelPage


def write_cards(cards: Sequence[ScoreCard], *, as_json: bool) -> None:
    """Print score cards: one object, or a table."""
    if as_json:
        sys.stdout.write(ScorePage(scores=list(cards)).model_dump_json() + "\n")
        return
    table = Table("series", "model", "step", "n", "ranges vs constant", "p", "vs EWMA", "p")
    for name in ("in 80 %", "MAE/naive", "direction", "verdict"):
        table.add_column(name)
    for card in cards:
        table.add_row(
            f"{card.symbol} {card.interval}",
            card.model,
            str(card.step),
            str(card.n),
            f"{card.skill_constant:+.2%}",
            f"{card.p_constant:.2g}",
            f"{card.skill_ewma:+.2%}",
            f"{card.p_ewma:.2g}",
            f"{card.coverage_80:.1%}",
            f"{card.mae_ratio:.4f}",
            f"{card.direction_accuracy:.1%} {card.direction_verdict}",
            card.verdict,
        )
    Console().print(table)


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
