"""Rolling conformal bands: quantiles of the standardised residuals known so far.

A residual of step h becomes known h bars after its origin, and enters then, not before.
Method: split conformal prediction on a rolling window; see arXiv 2106.00170 for the setting.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from forecasting.recipe import MIN_RESIDUALS, NEAR_WINDOW, RESIDUAL_WINDOW, Recipe
from market.forecast import MAX_STEPS, QUANTILE_LEVELS

Matrix = NDArray[np.float64]
LEVELS = np.array([float(level) for level in QUANTILE_LEVELS])
_NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
_MIDDLE = len(LEVELS) // 2


def enter(residuals: Matrix) -> Matrix:
    """Move each residual from its origin's row to the row at which it becomes known.

    Column j holds step j + 1: its residuals move down by j + 1 rows. NaN where nothing enters.
    """
    entered = np.full_like(residuals, np.nan)
    for column in range(min(residuals.shape[1], len(residuals) - 1)):
        step = column + 1
        entered[step:, column] = residuals[:-step, column]
    return entered


def tail_symmetry(recipe: Recipe) -> NDArray[np.float64]:
    """Return the weight of the symmetric quantiles for each step: 1/2, or 1 for slow sigma."""
    steps = np.arange(1, MAX_STEPS + 1)
    return np.where(steps <= recipe.har_steps, 0.5, 1.0)


def band_table(entered: Matrix, symmetry: NDArray[np.float64]) -> Matrix:
    """Return the residual quantiles at `market.forecast.QUANTILE_LEVELS` for each step.

    The mean, weighted by `symmetry`, of the quantiles of each tail and of those of abs(z): the
    tails borrow strength from each other. The median is 0, so that a band lies around its
    point. With fewer than 100 residuals a step gets the normal distribution's.

    Args:
        entered: (window, steps), residuals known at the cutoff; NaN is skipped.
        symmetry: (steps,) in [0, 1].

    Returns:
        (steps, levels), ascending along the levels.
    """
    ordered = np.sort(entered.T, axis=1)
    magnitude = np.sort(np.abs(entered.T), axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    both = 2 * LEVELS - 1
    apart = sorted_quantiles(ordered, count, LEVELS)
    alike = np.sign(both) * sorted_quantiles(magnitude, count, np.abs(both))
    table = (1 - symmetry)[:, None] * apart + symmetry[:, None] * alike
    table[:, _MIDDLE] = 0.0
    table[:, :_MIDDLE] = np.minimum(table[:, :_MIDDLE], 0.0)
    table[:, _MIDDLE + 1 :] = np.maximum(table[:, _MIDDLE + 1 :], 0.0)
    return np.where((count < MIN_RESIDUALS)[:, None], _NORMAL, np.sort(table, axis=1))


def sorted_quantiles(
    ordered: Matrix, count: NDArray[np.intp], levels: NDArray[np.float64]
) -> Matrix:
    """Return quantiles of rows sorted ascending with NaN last, at position level * (n + 1).

    The position is that of numpy's method "weibull", which split conformal prediction needs:
    n residuals and the one to come are exchangeable. NaN for a row without values.
    """
    last = np.maximum(count - 1, 0)[:, None]
    position = np.clip(levels[None, :] * (count[:, None] + 1) - 1, 0, last)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, last)
    rows = np.arange(len(ordered))[:, None]
    low, high = ordered[rows, below], ordered[rows, above]
    return low + (high - low) * (position - below)


def residual_windows(recipe: Recipe) -> NDArray[np.int64]:
    """Return how many of the newest residuals each step's band is made of."""
    steps = np.arange(1, MAX_STEPS + 1)
    return np.where(steps <= recipe.near_steps, NEAR_WINDOW, RESIDUAL_WINDOW)


def window(entered: Matrix, row: int, size: int | NDArray[np.int64] = RESIDUAL_WINDOW) -> Matrix:
    """Return the residuals known at `row`, at most the newest `size` of each step.

    Where sizes differ by step, what is too old for one of them is NaN.
    """
    largest = int(np.max(size))
    part = entered[max(row + 1 - largest, 0) : row + 1]
    if np.min(size) >= len(part):
        return part
    age = np.arange(len(part))[::-1, None]
    return np.where(age < size, part, np.nan)
