"""Rolling origin: the only place that divides time into training and testing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from forecasting.recipe import Recipe
from market.forecast import MAX_STEPS


class Fold(NamedTuple):
    """One refit: rows to learn from, and the later rows it forecasts.

    `train` ends a purge of 50 rows and an embargo before `test` begins, so that every label
    of a training row was known before the first forecast.
    """

    train: slice
    test: slice


def train_rows(end: int, recipe: Recipe) -> slice:
    """Return the rows a fit may learn from when row `end - 1` is the newest known one."""
    stop = max(end - MAX_STEPS - recipe.embargo, 0)
    warm = min(recipe.warmup, stop // 4)
    return slice(max(stop - recipe.train, warm), stop)


def first_origin(rows: int, recipe: Recipe) -> int:
    """Return the first row a walk-forward of a series forecasts from.

    A series of twice the training window learns from a whole one first; a shorter one starts
    with what a first fit needs, half of it at most, and expands. At most `evaluated` rows.
    """
    gap = MAX_STEPS + recipe.embargo
    full = recipe.warmup + recipe.train + gap
    least = recipe.warmup + recipe.first_fit + gap
    start = full if rows // 2 >= full else min(least, rows // 2)
    return max(rows - recipe.evaluated, start)


def iter_folds(rows: int, start: int, every: int, recipe: Recipe) -> Iterator[Fold]:
    """Yield the folds that cover rows `[start, rows)` with a refit each `every` rows."""
    for first in range(start, rows, every):
        # The forecast from row `first` knows that row: it is the newest known one.
        yield Fold(train_rows(first + 1, recipe), slice(first, min(first + every, rows)))
