"""Further measures of forecasts: of sigma, of the point, of up or down, by block bootstrap.

Pure functions of arrays over cutoffs, oldest first; every result is a plain number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecasting.conformal import LEVELS

Column = NDArray[np.float64]
Matrix = NDArray[np.float64]

#: Resamples of a bootstrap interval.
_RESAMPLES = 500
#: Days of the window whose coverage is shown at its worst.
WINDOW_DAYS = 30


class Interval95(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def worst_coverage(inside: NDArray[np.bool_], day: NDArray[np.int64]) -> float | None:
    """Return the smallest share of outcomes inside their range over 30 days in a row.

    The window moves by a day; `None` where the cutoffs reach over less than 30 days.

    Args:
        inside: (n,) whether the outcome fell inside; day: (n,) the cutoff's day, ascending.
    """
    first, last = int(day[0]), int(day[-1])
    if last - first + 1 < WINDOW_DAYS:
        return None
    held = np.bincount(day - first, weights=inside.astype(np.float64))
    seen = np.bincount(day - first).astype(np.float64)
    ones = np.ones(WINDOW_DAYS)
    hits, count = np.convolve(held, ones, "valid"), np.convolve(seen, ones, "valid")
    # A window that an outage all but empties says nothing.
    enough = count >= count.max() / 2
    return float((hits[enough] / count[enough]).min())


def qlike(realised: Column, sigma: Column) -> Column:
    """Return the QLIKE loss of a variance forecast, 0 where it is right.

    Source: Patton (2011), "Volatility forecast comparison using imperfect volatility proxies".

    Args:
        realised: (n,) realised variances, positive; sigma: (n,) in the same units' root.
    """
    ratio = realised / sigma**2
    return np.asarray(ratio - np.log(ratio) - 1)


def chance_up(quantiles: Matrix) -> Column:
    """Return the chance of a rise: what the quantiles (n, 7) leave above zero.

    Linear between the quantiles; beyond the outermost ones, their level.
    """
    below = np.full(len(quantiles), LEVELS[0])
    for left in range(len(LEVELS) - 1):
        low, high = quantiles[:, left], quantiles[:, left + 1]
        share = np.clip(-low / np.where(high > low, high - low, 1.0), 0.0, 1.0)
        reached = LEVELS[left] + share * (LEVELS[left + 1] - LEVELS[left])
        below = np.where(low <= 0, np.maximum(below, reached), below)
    return np.asarray(1 - below)


def brier(chance: Column, came: NDArray[np.bool_]) -> float:
    """Return the mean squared error of a chance; a coin's is .25."""
    return float(((chance - came) ** 2).mean())


def mase(error: Column, scale: float) -> float:
    """Return the mean absolute error over that of the naive forecast before the first cutoff."""
    return float(np.abs(error).mean() / scale)


def bootstrap_skill(loss: Column, yardstick: Column, block: int, seed: int = 0) -> Interval95:
    """Return the 95 % interval of 1 - loss / yardstick, by resampling blocks of cutoffs.

    Circular blocks (Politis and Romano, 1992): neighbours' targets overlap, so they are drawn
    together. `block` is the number of cutoffs a block holds.
    """
    n = len(loss)
    block = min(block, n)
    starts = np.random.default_rng(seed).integers(0, n, (_RESAMPLES, -(-n // block)))
    sums = [_circular_sums(one, block)[starts].sum(axis=1) for one in (loss, yardstick)]
    low, high = np.quantile(1 - sums[0] / np.maximum(sums[1], 1e-300), [0.025, 0.975])
    return Interval95(float(low), float(high))


def _circular_sums(values: Column, block: int) -> Column:
    total = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values[:block]]))])
    return np.asarray(total[block:-1] - total[: -block - 1])


def terciles(values: Column) -> NDArray[np.int64]:
    """Return 0, 1 or 2 for the lower, middle and upper third of the values."""
    edges = np.quantile(values[np.isfinite(values)], [1 / 3, 2 / 3])
    return np.asarray(np.searchsorted(edges, values))
