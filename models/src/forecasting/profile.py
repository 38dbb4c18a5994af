"""The hour-of-week profile of variance: markets breathe with the working week."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecasting.panel import Panel
from forecasting.rolling import Column
from market.forecast import MAX_STEPS
from market.interval import HOUR_MS

HOURS_A_WEEK = 168
#: Observations of an hour of the week that weigh as much as its group's mean.
_SHRINKAGE = 50
# 1970-01-01 was a Thursday; slot 0 is Monday 00:00 UTC.
_THURSDAY_HOURS = 72


def slots(panel: Panel) -> NDArray[np.int64]:
    """Return the hour of the week, 0..167, of each row and of the 50 bars to come."""
    step = panel.interval.typical_ms
    ahead = panel.open_ms[-1] + step * np.arange(1, MAX_STEPS + 1)
    hours = np.concatenate([panel.open_ms, ahead]) // HOUR_MS
    return np.asarray((hours + _THURSDAY_HOURS) % HOURS_A_WEEK)


def build_profile(log_variance: Column, slot: NDArray[np.int64], rows: slice) -> Column:
    """Return the mean log variance of each hour of the week, less the mean of all.

    An hour's mean is shrunk, with weight n / (n + 50), to that of the same hour of day on
    weekdays, Saturdays or Sundays.
    """
    values, hours = log_variance[rows], slot[rows]
    known = np.isfinite(values)
    values, hours = values[known] - values[known].mean(), hours[known]
    week = np.arange(HOURS_A_WEEK)
    group = week % 24 + 24 * np.clip(week // 24 - 4, 0, 2)
    grouped, _ = _means(values, group[hours], 72)
    own, count = _means(values, hours, HOURS_A_WEEK)
    weight = count / (count + _SHRINKAGE)
    return np.asarray(weight * own + (1 - weight) * grouped[group])


def _means(values: Column, label: NDArray[np.int64], size: int) -> tuple[Column, Column]:
    count = np.bincount(label, minlength=size).astype(np.float64)
    total = np.bincount(label, weights=values, minlength=size)
    return total / np.maximum(count, 1), count


def mean_ahead(seasonal: Column, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean of the next 1..50 values of a profile laid over time, for some rows.

    `seasonal` is (n + 50,), `rows` are below n; the result is (rows, 50).
    """
    total = np.concatenate([[0.0], np.cumsum(seasonal)])
    sums = np.lib.stride_tricks.sliding_window_view(total, MAX_STEPS + 1)[rows + 1]
    return np.asarray((sums[:, 1:] - sums[:, :1]) / np.arange(1, MAX_STEPS + 1))
