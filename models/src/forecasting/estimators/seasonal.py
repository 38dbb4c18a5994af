"""Seasonal: what came after the same hour of the week, on the mean of the training rows."""

from __future__ import annotations

from typing import Self

import numpy as np

from forecasting.estimators.base import check_training
from forecasting.predictors import Calendar, Features, Matrix, Predictor
from forecasting.profile import HOURS_A_WEEK

#: Rows of an hour that weigh as much as the mean of all: an hour's own mean is mostly noise.
_SHRINKAGE = 100


class Seasonal:
    """Expects each hour of the week's mean standardised return, shrunk to that of all hours."""

    def fit(self, features: Features, targets: Matrix) -> Self:
        """Learn a mean for each hour of the week and fitted step."""
        clipped = check_training(features, targets)
        slot = Calendar.slots(features)
        count = np.bincount(slot, minlength=HOURS_A_WEEK)[:, None]
        total = np.zeros((HOURS_A_WEEK, clipped.shape[1]))
        np.add.at(total, slot, clipped)
        everywhere = clipped.mean(axis=0)
        self._table = (total + _SHRINKAGE * everywhere) / (count + _SHRINKAGE)
        return self

    def predict(self, features: Features) -> Matrix:
        """Return the mean of each row's hour."""
        return Calendar(self._table).predict(features)

    def export(self) -> Predictor:
        """Return the table of hours."""
        return Calendar(self._table)

    def native_files(self) -> dict[str, bytes]:
        """Return nothing: there is no library's file."""
        return {}
