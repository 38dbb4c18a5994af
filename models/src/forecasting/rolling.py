"""Trailing statistics that look at the past only and step over missing bars.

Arrays are float64, oldest first, NaN where a bar is missing. Row i of every result depends
on rows <= i alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Column = NDArray[np.float64]


def trailing_sum(values: Column, span: int) -> Column:
    """Return the sum of the known values among the last `span`; 0 where none is known."""
    total = np.cumsum(np.nan_to_num(values, nan=0.0))
    return _difference(total, span)


def trailing_mean(values: Column, span: int) -> Column:
    """Return the mean of the known values among the last `span`; NaN where none is known."""
    count = _difference(np.cumsum(~np.isnan(values)).astype(np.float64), span)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, trailing_sum(values, span) / count, np.nan)


def trailing_max(values: Column, span: int) -> Column:
    """Return the greatest known value among the last `span`; -inf where none is known."""
    known = np.where(np.isnan(values), -np.inf, values)
    padded = np.concatenate([np.full(span - 1, -np.inf), known])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, span).max(axis=1))


def ewma(values: Column, half_life: float) -> Column:
    """Return the exponentially weighted mean of the known values so far."""
    weighted = pd.Series(values).ewm(halflife=half_life, ignore_na=True).mean()
    return np.asarray(weighted.to_numpy(dtype=np.float64))


def _difference(total: Column, span: int) -> Column:
    result = total.copy()
    result[span:] -= total[:-span]
    return result
