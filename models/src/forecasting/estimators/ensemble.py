"""The ensemble: other models' means, weighted by what they were worth on later rows.

Each member is fitted on the older rows and judged on the newer ones; weights lie from 0 to 1,
so that members worth nothing leave the naive forecast.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy.optimize import lsq_linear

from forecasting.estimators.base import MIN_TRAINING_ROWS, Estimator, check_training
from forecasting.estimators.drift import Drift
from forecasting.estimators.mlp import Mlp
from forecasting.estimators.ridge import Ridge
from forecasting.estimators.seasonal import Seasonal
from forecasting.predictors import Blend, Features, Matrix, Predictor
from market.forecast import MAX_STEPS

#: The newest share of the rows, which weighs the members.
_VALIDATION = 0.25


class Ensemble:
    """Drift, seasonal, ridge and a small network."""

    def fit(self, features: Features, targets: Matrix) -> Self:
        """Weigh the members on the newest quarter of the rows, then fit them on all."""
        clipped = check_training(features, targets)
        first = int(len(features) * (1 - _VALIDATION))
        # Labels reach 50 bars ahead: what lies between is neither learnt from nor judged on.
        older = max(first - MAX_STEPS, MIN_TRAINING_ROWS)
        newer = max(first, older + MAX_STEPS)
        if newer < len(features):
            judged = [one.fit(features[:older], clipped[:older]) for one in self._fresh()]
            seen = np.stack([one.predict(features[newer:]) for one in judged])
            self._weights = _weigh(seen, clipped[newer:])
        else:
            self._weights = np.zeros((len(self._fresh()), clipped.shape[1]))
        self._members = [one.fit(features, clipped) for one in self._fresh()]
        return self

    def predict(self, features: Features) -> Matrix:
        """Return the weighted sum of the members' own predictions."""
        each = np.stack([member.predict(features) for member in self._members])
        return np.asarray((self._weights[:, None, :] * each).sum(axis=0))

    def export(self) -> Predictor:
        """Return the members' arrays and their weights."""
        return Blend(tuple(member.export() for member in self._members), self._weights)

    def native_files(self) -> dict[str, bytes]:
        """Return nothing: the members' libraries have no safe format."""
        return {}

    @staticmethod
    def _fresh() -> list[Estimator]:
        return [Drift(), Seasonal(), Ridge(), Mlp()]


def _weigh(forecasts: Matrix, outcomes: Matrix) -> Matrix:
    # Least squares with weights from 0 to 1: (members, steps).
    columns = [
        lsq_linear(forecasts[:, :, step].T, outcomes[:, step], bounds=(0.0, 1.0)).x
        for step in range(outcomes.shape[1])
    ]
    return np.column_stack(columns)
