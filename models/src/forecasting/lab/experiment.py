"""An experiment in forecasting as plain functions, and an audit that tells where it peeks.

An audit never looks at the score. It changes what an honest experiment can't know, and
looks at what changes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecasting.panel import Panel

Matrix = NDArray[np.float64]
Column = NDArray[np.float64]
Rows = NDArray[np.intp]
#: Maps features (n, k) to forecasts (n,).
Rule = Callable[[Matrix], Column]


class Split(NamedTuple):
    """The rows to learn from and the rows to be judged on."""

    train: Rows
    test: Rows


@dataclass(frozen=True, slots=True)
class Experiment:
    """How somebody forecasts and judges it.

    Attributes:
        features: of a panel, (n, k); the row's cutoff is its own bar.
        label: of a panel, (n,); NaN where it is not known yet.
        reach: bars from a row's cutoff to its label.
        split: of the number of rows.
        fit: from features, labels and split to a rule.
        score: of forecasts and labels, higher is better.
        naive: of the panel, the forecasts one has for nothing, (n,).
    """

    features: Callable[[Panel], Matrix]
    label: Callable[[Panel], Column]
    reach: int
    split: Callable[[int], Split]
    fit: Callable[[Matrix, Column, Split], Rule]
    score: Callable[[Column, Column], float]
    naive: Callable[[Panel], Column]


def run_experiment(experiment: Experiment, panel: Panel) -> float:
    """Return the score on the rows that are tested."""
    features, label, split = _lay_out(experiment, panel)
    rule = experiment.fit(features, label, split)
    return experiment.score(rule(features[split.test]), label[split.test])


def audit(experiment: Experiment, panel: Panel) -> list[str]:
    """Return what is wrong with an experiment; nothing for an honest one."""
    found = [
        (_features_know_the_future, "features change when later bars are cut off"),
        (_label_is_known, "the label is known at the cutoff"),
        (_training_overlaps, "labels of training rows reach into the tested rows"),
        (_fit_sees_the_test, "the fit changes with the tested rows"),
        (_praises_the_naive, "the score praises the naive forecast as highly"),
    ]
    return [sentence for check, sentence in found if check(experiment, panel)]


def _lay_out(experiment: Experiment, panel: Panel) -> tuple[Matrix, Column, Split]:
    features = np.nan_to_num(experiment.features(panel))
    label = experiment.label(panel)
    split = experiment.split(len(panel))
    known = np.isfinite(label)
    return features, label, Split(split.train[known[split.train]], split.test[known[split.test]])


def _features_know_the_future(experiment: Experiment, panel: Panel) -> bool:
    whole = experiment.features(panel)
    for share in (0.6, 0.75, 0.9):
        rows = int(len(panel) * share)
        cut = experiment.features(panel.head(rows))
        if not np.array_equal(cut, whole[:rows], equal_nan=True):
            return True
    return False


def _label_is_known(experiment: Experiment, panel: Panel) -> bool:
    rows = int(len(panel) * 0.75)
    return bool(np.isfinite(experiment.label(panel.head(rows))[-1]))


def _training_overlaps(experiment: Experiment, panel: Panel) -> bool:
    _, _, (train, test) = _lay_out(experiment, panel)
    # A row's label lies on the bars after it, up to `reach` of them.
    tested = np.zeros(len(panel) + 1, dtype=np.int64)
    for step in range(experiment.reach):
        tested[np.minimum(test + 1 + step, len(panel))] = 1
    before = np.concatenate([[0], np.cumsum(tested)])
    first, last = train + 1, np.minimum(train + experiment.reach, len(panel))
    return bool((before[last + 1] - before[first] > 0).any())


def _fit_sees_the_test(experiment: Experiment, panel: Panel) -> bool:
    features, label, split = _lay_out(experiment, panel)
    rule = experiment.fit(features, label, split)
    shuffled = label.copy()
    shuffled[split.test] = -label[split.test[::-1]]
    other = experiment.fit(features, shuffled, split)
    sample = features[split.train]
    return not np.array_equal(rule(sample), other(sample))


def _praises_the_naive(experiment: Experiment, panel: Panel) -> bool:
    _, label, split = _lay_out(experiment, panel)
    naive = experiment.score(experiment.naive(panel)[split.test], label[split.test])
    # A coin's half and a skill of nothing are no praise.
    return naive > 0.9 and naive >= run_experiment(experiment, panel) - 0.01
