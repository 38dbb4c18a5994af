"""Sigma: the volatility forecast that every model shares, for all 50 steps.

A log-HAR regression: the log of the mean Garman-Klass variance over the next h bars on the
logs of trailing variances, signed returns and the hour-of-week profile, in one pass of normal
equations for every h; then averaged with the fit that is likeliest for the returns themselves.
Beyond `har_steps`, or with too little history, a plain EWMA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecasting.likelihood import design_of, mean_of_fits, solve
from forecasting.panel import Panel, log_returns
from forecasting.profile import build_profile, mean_ahead, slots
from forecasting.recipe import Recipe
from forecasting.rolling import Column, ewma, trailing_mean, trailing_sum
from market.forecast import MAX_STEPS

Matrix = NDArray[np.float64]
Method = Literal["log_har", "ewma"]

#: Added to a bar's variance: a bar without movement still has a logarithm.
VARIANCE_FLOOR = 1e-10
_PAST_PROFILE_SPANS = (1, 6)


@dataclass(frozen=True, slots=True)
class SigmaInputs:
    """What sigma is forecast from, one row a bar, each from bars <= its own.

    `shared`: (n, d) regressors; `fast`, `slow`: EWMA variances a bar; `log_variance`: (n,);
    `slot`: (n + 50,) hours of the week, known ahead; `future`: (n, 50) the targets, the log mean
    variance over the next h bars, NaN where fewer than half of them are there.
    """

    shared: Matrix
    fast: Column
    slow: Column
    log_variance: Column
    slot: NDArray[np.int64]
    future: Matrix


@dataclass(frozen=True, slots=True)
class Sigma:
    """A fitted volatility forecast.

    `beta` is (steps, regressors + 1) for standardised regressors, `scale` makes y / sigma of
    unit variance on the rows it was fitted to; arrays are empty where `method` is "ewma".
    """

    method: Method
    beta: Matrix
    mean: Column
    deviation: Column
    profile: Column
    low: Column
    high: Column
    scale: Column

    ARRAYS = ("beta", "mean", "deviation", "profile", "low", "high", "scale")


def garman_klass(panel: Panel) -> Column:
    """Return each bar's Garman-Klass variance, floored at 0 and lifted by 1e-10.

    Source: Garman and Klass (1980), "On the Estimation of Security Price Volatilities".
    """
    spread = np.log(panel.high / panel.low)
    body = np.log(panel.close / panel.open)
    variance = 0.5 * spread**2 - (2 * np.log(2) - 1) * body**2
    return np.asarray(np.maximum(variance, 0.0) + VARIANCE_FLOOR)


def sigma_inputs(panel: Panel, recipe: Recipe) -> SigmaInputs:
    """Build sigma's inputs and targets for every row of a panel."""
    returns = log_returns(panel)
    variance = garman_klass(panel)
    fast = ewma(returns**2, recipe.ewma_half_life) + VARIANCE_FLOOR
    fast = np.where(np.isnan(fast), variance, fast)
    slow = ewma(returns**2, recipe.slow_half_life) + VARIANCE_FLOOR
    slow = np.where(np.isnan(slow), variance, slow)
    columns = [np.log(trailing_mean(variance, span)) for span in recipe.variance_spans]
    for span in recipe.return_spans:
        scaled = trailing_sum(returns, span) / np.sqrt(span * fast)
        columns += [np.clip(scaled, -8, 0), np.clip(scaled, 0, 8)]
    return SigmaInputs(
        np.column_stack(columns),
        fast,
        slow,
        np.log(variance),
        slots(panel),
        _future_log_variance(variance),
    )


def _future_log_variance(variance: Column) -> Matrix:
    known = ~np.isnan(variance)
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(variance))])
    count = np.concatenate([[0], np.cumsum(known)])
    future = np.full((len(variance), MAX_STEPS), np.nan)
    for step in range(1, min(MAX_STEPS, len(variance) - 1) + 1):
        bars = count[step + 1 :] - count[1:-step]
        sums = total[step + 1 :] - total[1:-step]
        enough = 2 * bars >= step
        mean = np.divide(sums, bars, out=np.full(len(sums), np.nan), where=enough)
        future[:-step, step - 1] = np.log(np.where(mean > 0, mean, np.nan))
    return future


def fit_sigma(inputs: SigmaInputs, labels: Matrix, rows: slice, recipe: Recipe) -> Sigma:
    """Fit sigma on rows of a panel; with too few of them the result is the plain EWMA.

    Args:
        labels: (n, 50) log-returns, used for the scale alone.
        rows: training rows; every label of theirs must have been known at the cutoff.
    """
    steps = recipe.har_steps
    usable = np.isfinite(inputs.future[rows, :steps]).all(axis=1)
    usable &= np.isfinite(inputs.shared[rows]).all(axis=1)
    empty = np.empty(0)
    plain = Sigma("ewma", np.empty((0, 0)), empty, empty, empty, empty, empty, np.ones(MAX_STEPS))
    if usable.sum() < recipe.min_rows:
        return plain
    chosen = np.arange(rows.start, rows.stop)[usable]
    profile = (
        build_profile(inputs.log_variance, inputs.slot, rows) if recipe.uses_profile else empty
    )
    base, ahead = _regressors(inputs, chosen, profile)
    mean, deviation = base.mean(axis=0), np.maximum(base.std(axis=0), 1e-9)
    target = inputs.future[chosen, :steps]
    design = design_of((base - mean) / deviation, ahead[:, :steps])
    beta = mean_of_fits(design, solve(design, target), labels[chosen, :steps])
    low, high = target.min(axis=0), target.max(axis=0)
    fitted = Sigma("log_har", beta, mean, deviation, profile, low, high, np.ones(MAX_STEPS))
    standardised = labels[chosen] / predict_sigma(fitted, inputs, chosen)
    scale = np.sqrt(np.nanmean(standardised**2, axis=0))
    return Sigma("log_har", beta, mean, deviation, profile, low, high, np.maximum(scale, 1e-3))


def _regressors(
    inputs: SigmaInputs, rows: NDArray[np.intp], profile: Column
) -> tuple[Matrix, Matrix]:
    # The profile ahead differs by step; everything else is shared by all steps.
    base = inputs.shared[rows]
    if not len(profile):
        return base, np.zeros((len(rows), MAX_STEPS))
    seasonal = profile[inputs.slot]
    past = [trailing_mean(seasonal, span)[rows] for span in _PAST_PROFILE_SPANS]
    return np.column_stack([base, *past]), mean_ahead(seasonal, rows)


def predict_sigma(sigma: Sigma, inputs: SigmaInputs, rows: NDArray[np.intp]) -> Matrix:
    """Return sigma for rows of a panel: (rows, 50), in log-return units to each step."""
    ahead_bars = np.arange(1, MAX_STEPS + 1)
    if sigma.method == "ewma":
        return np.sqrt(inputs.fast[rows, None] * ahead_bars)
    steps = len(sigma.beta)
    base, ahead = _regressors(inputs, rows, sigma.profile)
    standard = (base - sigma.mean) / sigma.deviation
    # einsum, not BLAS: a row's result must not depend on how many rows there are.
    log_variance = sigma.beta[:, 0] + np.einsum("ij,hj->ih", standard, sigma.beta[:, 1:-1])
    log_variance += ahead[:, :steps] * sigma.beta[:, -1]
    variance = np.repeat(inputs.slow[rows, None], MAX_STEPS, axis=1)
    variance[:, :steps] = np.exp(np.clip(log_variance, sigma.low, sigma.high))
    return np.sqrt(variance * ahead_bars) * sigma.scale
