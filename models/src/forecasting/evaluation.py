"""A whole walk-forward of a series: every model over the same cutoffs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from forecasting.dataset import Dataset
from forecasting.estimators.base import MIN_TRAINING_ROWS
from forecasting.evaluate import Rows, Walk, baseline_rows, model_rows, score_rows, scored_span
from forecasting.interruption import Checkpoint, go_on
from forecasting.journal import Journal, build_journal
from forecasting.predictors import Matrix
from forecasting.recipe import SCORED_STEPS
from forecasting.registry import BASELINE, Device, new_estimator
from forecasting.walk import (
    gate_weights,
    plan_lessons,
    walk_centre,
    walk_mean,
    walk_sigma,
)
from forecasting.windows import first_origin, train_rows
from market.errors import Conflict
from market.forecast import MAX_STEPS, ScoreCard


class Walked(NamedTuple):
    """One model's walk-forward: its forecasts, its scored rows, its gate at the end."""

    walk: Walk
    rows: Rows
    weights: Matrix


class Evaluation:
    """The walk-forward of one dataset; made once, asked for each model in turn."""

    def __init__(
        self,
        dataset: Dataset,
        steps: tuple[int, ...] = SCORED_STEPS,
        device: Device = "cpu",
    ) -> None:
        self.dataset = dataset
        self.steps = steps
        self.device = device
        rows = len(dataset.panel)
        self.start = first_origin(rows, dataset.recipe)
        self.span = scored_span(rows, self.start, dataset.recipe)

    @property
    def is_possible(self) -> bool:
        """Tell whether there are rows enough to learn from and to be scored."""
        # A short series begins with the EWMA, which learns nothing; not so its first score.
        first = train_rows(self.span.start + 1, self.dataset.recipe)
        learnt: int = first.stop - first.start
        scored: int = self.span.stop - self.span.start
        return min(learnt, scored) >= 2 * MIN_TRAINING_ROWS

    def iter_models(self, models: Sequence[str], checkpoint: Checkpoint) -> Iterator[Walked]:
        """Yield the walk-forward of the random walk, then of the other models named."""
        sigma = walk_sigma(self.dataset, self.start, checkpoint)
        nothing = np.where(np.isnan(sigma), np.nan, 0.0)
        base = Walk(BASELINE, sigma, nothing, nothing)
        yield self._walked(base, np.zeros(MAX_STEPS), checkpoint)
        others = [model for model in models if model != BASELINE]
        lessons = plan_lessons(self.dataset, self.start, checkpoint) if others else []
        for model in others:
            fresh = partial(new_estimator, model, self.device)
            expected = walk_mean(self.dataset, sigma, lessons, fresh, checkpoint)
            centre = walk_centre(self.dataset, expected, self.start, checkpoint)
            weights = gate_weights(self.dataset, expected, len(self.dataset.panel) - 1)
            yield self._walked(Walk(model, sigma, centre, expected), weights, checkpoint)

    def score(self, walked: Sequence[Walked], versions: dict[str, str]) -> list[ScoreCard]:
        """Return the cards of every model, against the same two baselines."""
        baselines = baseline_rows(self.dataset, self.span, self.steps)
        return [
            card
            for one in walked
            for card in score_rows(one.rows, baselines, self.dataset, versions[one.walk.model])
        ]

    def _walked(self, walk: Walk, weights: Matrix, checkpoint: Checkpoint) -> Walked:
        rows = model_rows(walk, self.dataset, self.span, self.steps, checkpoint)
        return Walked(walk, rows, weights)


def walk_journal(
    dataset: Dataset,
    models: Sequence[str],
    steps: tuple[int, ...] = SCORED_STEPS,
    device: Device = "cpu",
) -> Journal:
    """Return the journal of a walk-forward of models over all of a dataset's rows.

    The two baselines are always in it, and the models named.

    Raises:
        Conflict: there are too few klines.
    """
    panel = dataset.panel
    whole = replace(dataset, recipe=replace(dataset.recipe, evaluated=len(panel)))
    evaluation = Evaluation(whole, steps, device)
    if not evaluation.is_possible:
        raise Conflict(
            f"{panel.symbol} {panel.interval} has {len(panel)} klines, too few to be evaluated",
            hint="Backfill more history, or wait for more klines to close.",
        )
    rows = [one.rows for one in evaluation.iter_models(models, go_on) if one.walk.model in models]
    baselines = baseline_rows(whole, evaluation.span, steps)
    return build_journal(whole, evaluation.span, baselines, rows)
