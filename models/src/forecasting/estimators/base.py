"""What every mean model is: fitted on z = y / sigma, exported as plain arrays.

sigma is shared, so a model has only the direction and size of the standardised return left to
explain, and one without an edge comes out as the honest random walk.
"""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from forecasting.predictors import Features, Matrix, Predictor
from forecasting.recipe import FITTED_STEPS
from market.errors import DataError

#: Rows a fit needs at least.
MIN_TRAINING_ROWS = 100
#: Standardised returns beyond this are clipped before fitting: a crash is one observation.
TARGET_BOUND = 5.0


class Estimator(Protocol):
    """A mean model. Deterministic: the same rows give the same fit, bit by bit."""

    def fit(self, features: Features, targets: Matrix) -> Self:
        """Learn from (n, k) features and (n, 4) standardised returns at the fitted steps.

        Raises:
            DataError: there are fewer than 100 rows, or one holds NaN.
        """
        ...

    def predict(self, features: Features) -> Matrix:
        """Return the expected standardised return by the library the model was fitted with."""
        ...

    def export(self) -> Predictor:
        """Return the fitted model as plain arrays."""
        ...

    def native_files(self) -> dict[str, bytes]:
        """Return the library's own file format, where it has a safe one."""
        ...


def check_training(features: Features, targets: Matrix) -> Matrix:
    """Return the targets clipped, after checking that a fit is possible."""
    if len(features) != len(targets) or targets.shape[1:] != (len(FITTED_STEPS),):
        raise DataError(
            f"targets were of shape {targets.shape};"
            f" expected ({len(features)}, {len(FITTED_STEPS)})"
        )
    if len(features) < MIN_TRAINING_ROWS:
        raise DataError(f"{len(features)} rows to learn from; expected {MIN_TRAINING_ROWS} or more")
    if not (np.isfinite(features).all() and np.isfinite(targets).all()):
        raise DataError("rows to learn from hold NaN or infinity; expected finite numbers")
    return np.clip(targets, -TARGET_BOUND, TARGET_BOUND)


def scaler(features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the deviation of each column; 1 where it does not vary."""
    mean = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    return mean, np.where(deviation > 1e-6, deviation, 1.0)
