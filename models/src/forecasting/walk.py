"""Walking forward: out-of-sample sigma and means, every fit inside its fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecasting.dataset import Dataset, finite_features, spread_steps, training_targets
from forecasting.estimators.base import MIN_TRAINING_ROWS, Estimator
from forecasting.interruption import Checkpoint, go_on
from forecasting.predictors import Matrix
from forecasting.scoring import diebold_mariano
from forecasting.sigma import fit_sigma, predict_sigma
from forecasting.windows import Fold, iter_folds
from market.forecast import MAX_STEPS

#: The statistic beyond which a point forecast counts as better than the naive one.
_GATE_T = -3.0
#: What a mean that passed the gate is multiplied by.
_GATE_WEIGHT = 0.5


def walk_sigma(dataset: Dataset, start: int, checkpoint: Checkpoint = go_on) -> Matrix:
    """Return sigma for every row from `start` on, each by a fit on earlier rows: (n, 50)."""
    rows = len(dataset.panel)
    sigma = np.full((rows, MAX_STEPS), np.nan)
    for fold in iter_folds(rows, start, dataset.recipe.refit, dataset.recipe):
        checkpoint()
        fitted = fit_sigma(dataset.inputs, dataset.labels, fold.train, dataset.recipe)
        index = np.arange(fold.test.start, fold.test.stop)
        sigma[fold.test] = predict_sigma(fitted, dataset.inputs, index)
    sigma[~dataset.panel.present] = np.nan
    return sigma


class Lesson(NamedTuple):
    """What a mean model learns from in one fold: usable rows, and their targets (rows, 4)."""

    fold: Fold
    rows: NDArray[np.intp]
    targets: Matrix


def plan_lessons(dataset: Dataset, start: int, checkpoint: Checkpoint = go_on) -> list[Lesson]:
    """Return the lessons of a walk-forward from `start` on, the same for every mean model.

    Folds with too few rows to learn from have none.

    The targets are scaled by a sigma that was fitted on the fold's own training rows.
    """
    lessons = []
    for fold in iter_folds(len(dataset.panel), start, dataset.recipe.mean_refit, dataset.recipe):
        checkpoint()
        fitted = fit_sigma(dataset.inputs, dataset.labels, fold.train, dataset.recipe)
        lesson = Lesson(fold, *training_targets(dataset, fitted, fold.train))
        if len(lesson.rows) >= MIN_TRAINING_ROWS:
            lessons.append(lesson)
    return lessons


def walk_mean(
    dataset: Dataset,
    sigma: Matrix,
    lessons: Sequence[Lesson],
    new_estimator: Callable[[], Estimator],
    checkpoint: Checkpoint = go_on,
) -> Matrix:
    """Return a model's expected log-return for every row with a sigma: (n, 50).

    The forecast standardised return is turned back by the out-of-sample `sigma`. Where there
    was too little to learn from, the naive 0 is expected.
    """
    expected = np.where(np.isnan(sigma), np.nan, 0.0)
    for lesson in lessons:
        checkpoint()
        estimator = new_estimator()
        estimator.fit(dataset.features[lesson.rows], lesson.targets)
        test = lesson.fold.test
        index = np.arange(test.start, test.stop)
        standard = estimator.export().predict(finite_features(dataset, index))
        expected[test] = spread_steps(standard) * sigma[test]
    return expected


def gate_weights(dataset: Dataset, expected: Matrix, row: int) -> Matrix:
    """Return what a mean is multiplied by, for each step, as far as `row` knows: 0 or 1/2.

    Half the mean counts where, over the trailing gate window, its absolute error was smaller
    than the naive forecast's at t < -3; else nothing of it does.
    """
    weights = np.zeros(MAX_STEPS)
    first = max(row + 1 - dataset.recipe.gate, 0)
    for column in range(MAX_STEPS):
        known = slice(first, max(row - column, 0))  # outcomes of step column + 1 known at `row`
        outcome = dataset.labels[known, column]
        shrunk = _GATE_WEIGHT * expected[known, column]
        difference = np.abs(outcome - shrunk) - np.abs(outcome)
        if np.isfinite(difference).sum() < dataset.recipe.gate // 2:
            continue
        if diebold_mariano(difference, column + 1).t < _GATE_T:
            weights[column] = _GATE_WEIGHT
    return weights


def walk_centre(
    dataset: Dataset, expected: Matrix, start: int, checkpoint: Checkpoint = go_on
) -> Matrix:
    """Return the point forecast behind its gate, the gate decided anew at each refit of sigma."""
    rows = len(dataset.panel)
    centre = np.full_like(expected, np.nan)
    for fold in iter_folds(rows, start, dataset.recipe.refit, dataset.recipe):
        checkpoint()
        weights = gate_weights(dataset, expected, fold.test.start)
        centre[fold.test] = expected[fold.test] * weights
    return centre
