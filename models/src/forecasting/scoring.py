"""Losses and tests: pinball, coverage, Diebold-Mariano, Holm, Wilson."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from forecasting.conformal import LEVELS

Column = NDArray[np.float64]
#: Two-sided 95 %.
_Z95 = NormalDist().inv_cdf(0.975)


class Comparison(NamedTuple):
    """A Diebold-Mariano test: its statistic and the one-sided p of "the first is better"."""

    t: float
    p: float


def pinball(quantiles: NDArray[np.floating], outcome: Column) -> Column:
    """Return the pinball loss of each row, its mean over the levels.

    Args:
        quantiles: (n, levels), ascending; outcome: (n,).
    """
    below = outcome[:, None] - quantiles
    return np.asarray(np.maximum(LEVELS * below, (LEVELS - 1) * below).mean(axis=1))


def diebold_mariano(difference: Column, step: int) -> Comparison:
    """Test whether losses are smaller: `difference` = the first's less the second's, by time.

    The long-run variance takes Bartlett weights up to max(2 step, n^(1/3)) lags, for errors of
    overlapping targets are correlated and volatile times come together; then the small-sample
    correction of Harvey, Leybourne and Newbold (1997).
    """
    known = difference[np.isfinite(difference)]
    n = len(known)
    if n < 2 * step + 2:
        return Comparison(0.0, 1.0)
    centred = known - known.mean()
    lags = min(max(2 * step, int(n ** (1 / 3))), n - 1)
    variance = float(centred @ centred) / n
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag]) / n
    if variance <= 0:
        return Comparison(0.0, 1.0)
    correction = math.sqrt((n + 1 - 2 * step + step * (step - 1) / n) / n)
    t = float(known.mean()) / math.sqrt(variance / n) * correction
    return Comparison(t, float(stdtr(n - 1, t)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for having tested all of them (Holm, 1979)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [1.0] * len(p_values)
    floor = 0.0
    for rank, index in enumerate(order):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = floor
    return adjusted


def wilson(share: float, n_effective: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share seen in `n_effective` independent trials."""
    if n_effective == 0:
        return 0.0, 1.0
    z2 = _Z95**2 / n_effective
    middle = (share + z2 / 2) / (1 + z2)
    half = _Z95 / (1 + z2) * math.sqrt(share * (1 - share) / n_effective + z2 / (4 * n_effective))
    return middle - half, middle + half


def coverage(quantiles: NDArray[np.floating], outcome: Column, low: int, high: int) -> float:
    """Return the share of outcomes within two quantile columns."""
    inside = (outcome >= quantiles[:, low]) & (outcome <= quantiles[:, high])
    return float(inside.mean())
