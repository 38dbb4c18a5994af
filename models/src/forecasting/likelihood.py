"""Linear fits of log sigma for every step at once: least squares, and Laplace likelihood.

All steps share their regressors but one, the profile ahead, so the normal equations of fifty
steps cost one pass; the likelihood's steps reuse them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

#: Penalty on standardised coefficients, for each row; the constant carries none.
_RIDGE = 1e-3
#: Scoring steps; the change after the fourth is below a thousandth of sigma.
_SCORING_STEPS = 4
#: Steps the likelihood is fitted at; what it changes is interpolated in the log of the step.
_LIKELY_STEPS = (1, 2, 3, 6, 12, 24, 50)
#: Residuals over sigma beyond this pull no harder: a crash is one observation.
_PULL = 10.0


class Design(NamedTuple):
    """The regressors of every step: [1, base, ahead of the step].

    `shared`: (rows, d) with a leading one; `ahead`: (rows, steps); `gram`: (steps, d + 1, d + 1)
    with its ridge penalty; `penalty`: (d + 1,).
    """

    shared: Matrix
    ahead: Matrix
    gram: Matrix
    penalty: Matrix

    def predict(self, beta: Matrix) -> Matrix:
        """Return the fitted values of each step: (rows, steps)."""
        return np.asarray(self.shared @ beta[:, :-1].T + self.ahead * beta[:, -1])

    def at(self, columns: NDArray[np.intp]) -> Design:
        """Return the design of some of the steps."""
        return Design(self.shared, self.ahead[:, columns], self.gram[columns], self.penalty)

    def project(self, target: Matrix) -> Matrix:
        """Return the regressors' products with (rows, steps) targets: (steps, d + 1)."""
        return np.column_stack([(self.shared.T @ target).T, (self.ahead * target).sum(axis=0)])


def design_of(base: Matrix, ahead: Matrix) -> Design:
    """Return the design of standardised regressors (rows, d - 1) and profiles (rows, steps)."""
    rows, steps = ahead.shape
    shared = np.column_stack([np.ones(rows), base])
    width = shared.shape[1] + 1
    gram = np.empty((steps, width, width))
    gram[:, :-1, :-1] = shared.T @ shared
    # Only the last row and column of the Gram matrix differ between steps.
    gram[:, :-1, -1] = gram[:, -1, :-1] = (shared.T @ ahead).T
    gram[:, -1, -1] = (ahead**2).sum(axis=0)
    penalty = np.full(width, _RIDGE * rows)
    penalty[0] = 0.0
    return Design(shared, ahead, gram + np.diag(penalty), penalty)


def solve(design: Design, target: Matrix) -> Matrix:
    """Return the ridge solution of each step's least squares: (steps, d + 1)."""
    return _apply_inverse(design, design.project(target))


def fit_laplace(design: Design, size: Matrix, start: Matrix) -> Matrix:
    """Return the coefficients of log sigma that are likeliest if returns are Laplace.

    Fisher scoring of the mean of log(sigma) + size / sigma: the expected Hessian is the Gram
    matrix of least squares. Heavy tails hurt it less than the normal likelihood.

    Args:
        size: (rows, steps) absolute returns; NaN where one is not known.
        start: (steps, d + 1) the coefficients to begin from, at any level.
    """
    known = np.isfinite(size)
    filled = np.where(known, size, 0.0)
    beta = start.copy()
    # The median of a Laplace variable's size is its scale times log 2: no crash moves it.
    level = np.nanmedian(size * np.exp(-design.predict(beta)), axis=0) / np.log(2)
    beta[:, 0] += np.log(np.maximum(level, 1e-12))
    for _ in range(_SCORING_STEPS):
        ratio = np.minimum(filled * np.exp(-design.predict(beta)), _PULL)
        score = design.project((ratio - 1) * known) - design.penalty * beta
        beta += _apply_inverse(design, score)
    return beta


def mean_of_fits(design: Design, beta: Matrix, labels: Matrix) -> Matrix:
    """Return the mean of two fits of log variance: `beta`, and the likeliest for the returns.

    Both are linear, so the mean of their forecasts is one set of coefficients. Their levels
    differ, a variance's and an absolute return's: that of `beta` is kept.

    Args:
        beta: (steps, d + 1) of least squares; labels: (rows, steps) log-returns.
    """
    steps = np.arange(1, len(beta) + 1)
    fitted = np.array([step for step in _LIKELY_STEPS if step < len(beta)] + [len(beta)])
    columns = fitted - 1
    some = design.at(columns)
    size = np.abs(labels[:, columns]) / np.sqrt(fitted)
    moved = 2 * fit_laplace(some, size, beta[columns] / 2) - beta[columns]
    moved[:, 0] = 0.0
    spread = [np.interp(np.log(steps), np.log(fitted), column) for column in moved.T]
    mean = beta + np.column_stack(spread) / 2
    mean[:, 0] += design.predict(beta - mean).mean(axis=0)
    return mean


def _apply_inverse(design: Design, right: Matrix) -> Matrix:
    return np.asarray(np.linalg.solve(design.gram, right[:, :, None])[:, :, 0])
