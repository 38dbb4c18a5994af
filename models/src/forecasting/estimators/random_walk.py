"""The random walk: the expected return is zero, the ranges are sigma's."""

from __future__ import annotations

from typing import Self

from forecasting.estimators.base import check_training
from forecasting.predictors import Features, Matrix, Predictor, Zero


class RandomWalk:
    """Expects nothing: the baseline no point forecast may be worse than."""

    def fit(self, features: Features, targets: Matrix) -> Self:
        """Learn nothing, from rows that are checked all the same."""
        check_training(features, targets)
        return self

    def predict(self, features: Features) -> Matrix:
        """Return zeros."""
        return Zero().predict(features)

    def export(self) -> Predictor:
        """Return the predictor of zeros."""
        return Zero()

    def native_files(self) -> dict[str, bytes]:
        """Return nothing: there is nothing to keep."""
        return {}
