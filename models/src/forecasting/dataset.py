"""The dataset: everything that is computed once from a panel, for training and live alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecasting.features import build_features
from forecasting.panel import Panel, label_returns
from forecasting.predictors import Features, Matrix
from forecasting.recipe import FITTED_STEPS, Recipe, recipe_for
from forecasting.sigma import Sigma, SigmaInputs, predict_sigma, sigma_inputs
from market.forecast import MAX_STEPS

_FITTED_COLUMNS = [step - 1 for step in FITTED_STEPS]
_INTERPOLATION = np.sqrt(np.arange(1, MAX_STEPS + 1))


@dataclass(frozen=True, slots=True)
class Dataset:
    """A panel with its causal inputs and its labels, row by row.

    `features`: (n, k) float32; `labels`: (n, 50) log-returns to each step, NaN where unknown.
    """

    panel: Panel
    recipe: Recipe
    inputs: SigmaInputs
    features: Features
    labels: Matrix


def build_dataset(panel: Panel) -> Dataset:
    """Build a panel's dataset."""
    recipe = recipe_for(panel.interval)
    inputs = sigma_inputs(panel, recipe)
    return Dataset(panel, recipe, inputs, build_features(panel), label_returns(panel))


def training_targets(
    dataset: Dataset, sigma: Sigma, rows: slice
) -> tuple[NDArray[np.intp], Matrix]:
    """Return the usable training rows, and their labels over sigma at the fitted steps."""
    index = np.arange(rows.start, rows.stop)
    spread = predict_sigma(sigma, dataset.inputs, index)[:, _FITTED_COLUMNS]
    targets = dataset.labels[rows][:, _FITTED_COLUMNS] / spread
    usable = np.isfinite(targets).all(axis=1) & np.isfinite(dataset.features[rows]).all(axis=1)
    return index[usable], targets[usable]


def spread_steps(fitted: Matrix) -> Matrix:
    """Return all 50 steps of a mean that was fitted at a few: (n, 4) to (n, 50).

    Linear in the square root of the step, the unit in which a standardised mean grows.
    """
    known = np.sqrt(np.array(FITTED_STEPS, dtype=np.float64))
    right = np.clip(np.searchsorted(known, _INTERPOLATION), 1, len(known) - 1)
    share = (_INTERPOLATION - known[right - 1]) / (known[right] - known[right - 1])
    return np.asarray(fitted[:, right - 1] * (1 - share) + fitted[:, right] * share)


def finite_features(dataset: Dataset, rows: NDArray[np.intp]) -> Features:
    """Return features to predict from; a missing kline's row holds zeros, not NaN."""
    return np.nan_to_num(dataset.features[rows])
