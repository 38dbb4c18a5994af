"""The track: the residuals of forecasts made out of sample, as known at one row.

A walk-forward makes the first one, live forecasts carry it on; a bundle holds it, so that its
bands are calibrated on what its forecasts would really have been.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forecasting.conformal import Matrix, enter, window
from forecasting.recipe import RESIDUAL_WINDOW
from market.forecast import MAX_STEPS


class Track(NamedTuple):
    """Residuals up to a row, and the newest forecasts whose outcomes are still open.

    `pool`: (<= 8640, 50), row by row what became known, newest last; `sigma` and `centre`:
    (50, 50), the forecasts of the 50 rows before the row, oldest first.
    """

    pool: Matrix
    sigma: Matrix
    centre: Matrix


def build_track(labels: Matrix, sigma: Matrix, centre: Matrix, row: int) -> Track:
    """Return the track at `row` of a walk-forward; NaN where nothing was forecast."""
    # Labels of outcomes after `row` can't enter: `enter` moves them below it.
    first = max(row - RESIDUAL_WINDOW - MAX_STEPS, 0)
    part = slice(first, row + 1)
    residuals = (labels[part] - centre[part]) / sigma[part]
    return Track(window(enter(residuals), row - first), _before(sigma, row), _before(centre, row))


def advance(track: Track, log_close: Matrix, row: int, sigma: Matrix, centre: Matrix) -> Track:
    """Carry a track on by the forecasts made from `row` on.

    Args:
        log_close: of a panel, NaN where a kline is missing; its last row is the new one.
        row: the panel's row the track stands at.
        sigma, centre: (m, 50), the forecasts from rows `row` to the panel's last but one.
    """
    spread = np.concatenate([track.sigma, sigma])
    middle = np.concatenate([track.centre, centre])
    entered = np.full((len(sigma), MAX_STEPS), np.nan)
    for column in range(MAX_STEPS):
        step = column + 1
        target = np.arange(row + 1, row + 1 + len(sigma))
        place = target - step - (row - MAX_STEPS)  # the origin's row in `spread`
        origin = target - step
        seen = origin >= 0
        outcome = log_close[target[seen]] - log_close[origin[seen]]
        at = place[seen]
        entered[seen, column] = (outcome - middle[at, column]) / spread[at, column]
    pool = np.concatenate([track.pool, entered])[-RESIDUAL_WINDOW:]
    return Track(pool, spread[-MAX_STEPS:], middle[-MAX_STEPS:])


def _before(values: Matrix, row: int) -> Matrix:
    part = values[max(row - MAX_STEPS, 0) : row]
    missing = np.full((MAX_STEPS - len(part), values.shape[1]), np.nan)
    return np.concatenate([missing, part])
