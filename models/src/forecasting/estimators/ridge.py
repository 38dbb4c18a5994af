"""Ridge regression of the standardised return on the standardised features."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.linear_model import Ridge as LinearRidge

from forecasting.estimators.base import check_training, scaler
from forecasting.predictors import Features, Matrix, Network, Predictor

#: Penalty for each training row: noise this strong needs a heavy hand.
_PENALTY_A_ROW = 0.1


class Ridge:
    """A linear model of all fitted steps with one penalty."""

    def fit(self, features: Features, targets: Matrix) -> Self:
        """Learn scaler and coefficients."""
        clipped = check_training(features, targets)
        self._mean, self._deviation = scaler(features)
        self._model = LinearRidge(alpha=_PENALTY_A_ROW * len(features), solver="cholesky")
        self._model.fit(self._scaled(features), clipped)
        return self

    def predict(self, features: Features) -> Matrix:
        """Return scikit-learn's prediction."""
        return np.asarray(self._model.predict(self._scaled(features)))

    def export(self) -> Predictor:
        """Return a network of one layer."""
        weight = np.ascontiguousarray(self._model.coef_.T)
        return Network(self._mean, self._deviation, (weight,), (self._model.intercept_,))

    def native_files(self) -> dict[str, bytes]:
        """Return nothing: scikit-learn's own files are pickles."""
        return {}

    def _scaled(self, features: Features) -> Matrix:
        return (features.astype(np.float64) - self._mean) / self._deviation
