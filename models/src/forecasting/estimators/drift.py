"""Drift: the market goes on as it did on the mean of the training rows."""

from __future__ import annotations

from typing import Self

import numpy as np

from forecasting.estimators.base import check_training
from forecasting.predictors import Features, Matrix, Network, Predictor


class Drift:
    """Expects the mean standardised return, whatever the features say."""

    def fit(self, features: Features, targets: Matrix) -> Self:
        """Learn the mean of each fitted step."""
        clipped = check_training(features, targets)
        self._columns = features.shape[1]
        self._mean = clipped.mean(axis=0)
        return self

    def predict(self, features: Features) -> Matrix:
        """Return the same mean for every row."""
        return np.tile(self._mean, (len(features), 1))

    def export(self) -> Predictor:
        """Return a network of one layer that looks at nothing."""
        still = np.zeros(self._columns)
        weight = np.zeros((self._columns, len(self._mean)))
        return Network(still, still + 1, (weight,), (self._mean,))

    def native_files(self) -> dict[str, bytes]:
        """Return nothing: there is no library's file."""
        return {}
