"""Walk-forward evaluation: rows of forecasts beside what came, and score cards from them.

The rows (cutoff, model, step, quantiles, outcome) are all a card is made of. Two baselines are
always there: the random walk with constant and with EWMA volatility, each with the
empirical quantiles of its own past errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecasting.conformal import Matrix, band_table, enter, residual_windows, tail_symmetry, window
from forecasting.dataset import Dataset
from forecasting.interruption import Checkpoint, go_on
from forecasting.recipe import Recipe
from forecasting.scoring import coverage, diebold_mariano, holm, pinball, wilson
from market.forecast import MAX_STEPS, ScoreCard

#: Adjusted p below which ranges have skill, and points.
SKILL_P = 0.01
POINT_P = 0.05
_MIDDLE = 3
#: Added to both losses of a ratio: where neither lost anything, the ratio is 1.
_NO_LOSS = 1e-12


class Walk(NamedTuple):
    """What a model forecast out of sample: (n, 50) each, NaN where it did not.

    `centre` is the point served (behind the gate), `expected` the model's own mean, whose sign
    is the direction it claims; both in log-returns.
    """

    model: str
    sigma: Matrix
    centre: Matrix
    expected: Matrix


class Rows(NamedTuple):
    """A model's forecasts, one row a cutoff, one column a scored step.

    `quantiles`: (n, steps, 7) log-returns; `outcome`, `expected`, `sigma`: (n, steps), the
    last in any unit: of the constant random walk it is 1.
    """

    model: str
    steps: tuple[int, ...]
    cutoff_ms: NDArray[np.int64]
    quantiles: NDArray[np.float64]
    outcome: Matrix
    expected: Matrix
    sigma: Matrix


class Baselines(NamedTuple):
    """The rows of the two random walks every model is judged against."""

    constant: Rows
    ewma: Rows


class Bands(NamedTuple):
    """How rows get their bands: residuals at most, rows between recalibrations, symmetry.

    `size` is one for all scored steps, or one for each.
    """

    size: int | NDArray[np.int64]
    every: int
    symmetry: NDArray[np.float64]
    checkpoint: Checkpoint = go_on


def scored_span(rows: int, start: int, recipe: Recipe) -> slice:
    """Return the rows of a walk-forward from `start` on that are scored.

    The first ones only fill the pool of residuals, which goes on growing to its full size.
    """
    return slice(start + min(recipe.first_residuals, (rows - start) // 3), rows)


def model_rows(
    walk: Walk,
    dataset: Dataset,
    span: slice,
    steps: tuple[int, ...],
    checkpoint: Checkpoint = go_on,
) -> Rows:
    """Return a model's rows with rolling conformal bands."""
    recipe = dataset.recipe
    sizes = residual_windows(recipe)[[step - 1 for step in steps]]
    bands = Bands(sizes, recipe.recalibrate, tail_symmetry(recipe), checkpoint)
    return _build_rows(walk, dataset, span, steps, bands)


def baseline_rows(dataset: Dataset, span: slice, steps: tuple[int, ...]) -> Baselines:
    """Return the rows of the random walks with constant and with EWMA volatility."""
    recipe = dataset.recipe
    none = np.zeros((len(dataset.panel), MAX_STEPS))
    apart = np.zeros(MAX_STEPS)
    fast = np.sqrt(dataset.inputs.fast[:, None] * np.arange(1, MAX_STEPS + 1))
    constant = Walk("random_walk_constant", np.ones_like(none), none, none)
    ewma = Walk("random_walk_ewma", fast, none, none)
    whole = Bands(recipe.train, recipe.refit, apart)
    sizes = residual_windows(recipe)[[step - 1 for step in steps]]
    rolling = Bands(sizes, recipe.recalibrate, apart)
    return Baselines(
        _build_rows(constant, dataset, span, steps, whole),
        _build_rows(ewma, dataset, span, steps, rolling),
    )


def _build_rows(
    walk: Walk, dataset: Dataset, span: slice, steps: tuple[int, ...], bands: Bands
) -> Rows:
    columns = [step - 1 for step in steps]
    residuals = (dataset.labels - walk.centre) / walk.sigma
    entered = enter(residuals)[:, columns]
    sigma, centre = walk.sigma[:, columns], walk.centre[:, columns]
    parts = []
    for first in range(span.start, span.stop, bands.every):
        bands.checkpoint()
        block = slice(first, min(first + bands.every, span.stop))
        table = band_table(window(entered, first, bands.size), bands.symmetry[columns])
        parts.append(centre[block, :, None] + sigma[block, :, None] * table)
    return Rows(
        walk.model,
        steps,
        dataset.panel.open_ms[span],
        np.concatenate(parts),
        dataset.labels[span][:, columns],
        walk.expected[span][:, columns],
        sigma[span],
    )


def score_rows(rows: Rows, baselines: Baselines, dataset: Dataset, version: str) -> list[ScoreCard]:
    """Return a card for each scored step of which an outcome is known, verdicts included.

    Ranges have skill only where they beat both baselines: on pure noise a smooth volatility
    beats a noisy one, so one of them alone proves nothing. p-values are adjusted over steps.
    """
    measured = [
        (step, measure)
        for column, step in enumerate(rows.steps)
        if (measure := measure_step(rows, baselines, column)) is not None
    ]
    measures = [measure for _, measure in measured]
    ranges = holm([max(m["p_constant"], m["p_ewma"]) for m in measures])
    points = holm([m["p_mae"] for m in measures])
    panel = dataset.panel
    return [
        ScoreCard.model_validate(
            {
                "symbol": panel.symbol,
                "interval": panel.interval.value,
                "model": rows.model,
                "version": version,
                "step": step,
                "kind": "replay",
                "from_ms": int(rows.cutoff_ms[0]),
                "to_ms": int(rows.cutoff_ms[-1]),
                **measure,
                "verdict": "skill" if range_p < SKILL_P else "none",
                "point_verdict": "skill" if point_p < POINT_P else "none",
            }
        )
        for (step, measure), range_p, point_p in zip(measured, ranges, points, strict=True)
    ]


def seen_cutoffs(rows: Rows, baselines: Baselines, column: int) -> NDArray[np.bool_]:
    """Tell for each cutoff whether model and baselines forecast it, and its outcome came."""
    seen = np.isfinite(rows.outcome[:, column])
    for part in (rows, *baselines):
        seen &= np.isfinite(part.quantiles[:, column]).all(axis=1)
    return seen


def measure_step(rows: Rows, baselines: Baselines, column: int) -> dict[str, Any] | None:
    """Return what a card says of one step, verdicts on ranges and point apart; `None` unseen."""
    step = rows.steps[column]
    seen = seen_cutoffs(rows, baselines, column)
    if not seen.any():
        return None
    outcome, quantiles = rows.outcome[seen, column], rows.quantiles[seen, column]
    loss = pinball(quantiles, outcome)
    measure: dict[str, Any] = {
        "n": len(outcome),
        "n_eff": len(outcome) // step,
        "pinball": float(loss.mean()),
        "coverage_50": coverage(quantiles, outcome, 2, 4),
        "coverage_80": coverage(quantiles, outcome, 1, 5),
        "coverage_95": coverage(quantiles, outcome, 0, 6),
        "width_80": float((quantiles[:, 5] - quantiles[:, 1]).mean()),
    }
    for name, baseline in (("constant", baselines.constant), ("ewma", baselines.ewma)):
        yardstick = pinball(baseline.quantiles[seen, column], outcome)
        measure[f"skill_{name}"] = 1 - _ratio(loss, yardstick)
        measure[f"p_{name}"] = diebold_mariano(loss - yardstick, step).p
    naive = np.abs(outcome)
    error = np.abs(outcome - quantiles[:, _MIDDLE])
    measure["mae_ratio"] = _ratio(error, naive)
    measure["p_mae"] = diebold_mariano(error - naive, step).p
    return measure | _measure_direction(rows.expected[seen, column], outcome, step)


def _ratio(loss: Matrix, yardstick: Matrix) -> float:
    # The price of a pair may stand still: nothing is lost then, by a model or by its yardstick.
    return float((loss.mean() + _NO_LOSS) / (yardstick.mean() + _NO_LOSS))


def _measure_direction(expected: Matrix, outcome: Matrix, step: int) -> dict[str, Any]:
    # A model that expects nothing claims no direction: it is as good as a coin.
    moved = outcome != 0
    up = float((outcome[moved] > 0).mean()) if moved.any() else 0.5
    majority = max(up, 1 - up)
    claimed = moved & (expected != 0)
    count = int(claimed.sum())
    right = np.sign(expected[claimed]) == np.sign(outcome[claimed])
    accuracy = float(right.mean()) if count else 0.5
    low, high = wilson(accuracy, count // step)
    return {
        "direction_accuracy": accuracy,
        "direction_low": low,
        "direction_high": high,
        "direction_majority": majority,
        "direction_verdict": "skill" if low > majority else "coin_flip",
    }


def better_p(challenger: Rows, champion: Rows) -> float:
    """Return the one-sided p of "the challenger's ranges are better", over all scored steps.

    Each step's loss is divided by the champion's mean loss at that step, so that far
    steps, whose losses are larger, don't decide alone.
    """
    differences = []
    for column in range(len(champion.steps)):
        outcome = champion.outcome[:, column]
        old = pinball(champion.quantiles[:, column], outcome)
        new = pinball(challenger.quantiles[:, column], outcome)
        differences.append((new - old) / (np.nanmean(old) + _NO_LOSS))
    return diebold_mariano(np.mean(differences, axis=0), max(champion.steps)).p


def choose_champion(current: Rows, challengers: Sequence[Rows]) -> tuple[Rows, str]:
    """Return the model to serve and why: the current one unless another is proved better."""
    if not challengers:
        return current, "no other model was evaluated"
    adjusted = holm([better_p(rows, current) for rows in challengers])
    p, place = min((p, place) for place, p in enumerate(adjusted))
    best = challengers[place]
    n = len(current.cutoff_ms)
    if p < SKILL_P:
        return best, f"{best.model} has better ranges than {current.model} (p = {p:.2g}, n = {n})"
    return current, f"no model has better ranges than {current.model} (best p = {p:.2g}, n = {n})"
