"""A small feed-forward network, fitted by scikit-learn and evaluated by numpy."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.neural_network import MLPRegressor

from forecasting.estimators.base import check_training, scaler
from forecasting.predictors import Features, Matrix, Network, Predictor

#: Passes over the training rows; more of them only learn the noise by heart...
_EPOCHS = 4
#: ... but with fewer steps than this, few rows leave the weights where chance put them.
_LEAST_UPDATES = 300
_BATCH = 256


class Mlp:
    """Two hidden layers for all fitted steps at once."""

    def fit(self, features: Features, targets: Matrix) -> Self:
        """Learn scaler and weights from a fixed seed."""
        clipped = check_training(features, targets)
        self._mean, self._deviation = scaler(features)
        self._model = MLPRegressor(
            hidden_layer_sizes=(32, 16),
            alpha=1e-2,
            batch_size=min(_BATCH, len(features)),
            learning_rate_init=1e-3,
            random_state=0,
        )
        scaled = self._scaled(features)
        for _ in range(max(_EPOCHS, _LEAST_UPDATES * _BATCH // len(features))):
            self._model.partial_fit(scaled, clipped)
        return self

    def predict(self, features: Features) -> Matrix:
        """Return scikit-learn's prediction."""
        return np.asarray(self._model.predict(self._scaled(features)))

    def export(self) -> Predictor:
        """Return the layers."""
        weights = tuple(np.asarray(weight) for weight in self._model.coefs_)
        biases = tuple(np.asarray(bias) for bias in self._model.intercepts_)
        return Network(self._mean, self._deviation, weights, biases)

    def native_files(self) -> dict[str, bytes]:
        """Return nothing: scikit-learn's own files are pickles."""
        return {}

    def _scaled(self, features: Features) -> Matrix:
        return (features.astype(np.float64) - self._mean) / self._deviation
