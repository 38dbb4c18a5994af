"""Six classic leaks, each beside the honest way of doing the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from forecasting.features import FEATURE_NAMES, build_features
from forecasting.lab.experiment import (
    Column,
    Experiment,
    Matrix,
    Rule,
    Split,
    audit,
    run_experiment,
)
from forecasting.panel import Panel, label_returns
from forecasting.rolling import trailing_mean

#: The newest bars of a series an experiment is made on.
MAX_ROWS = 6_000
#: The fewest of them that say something.
MIN_ROWS = 1_000
_TESTED = 0.3
_EMBARGO = 24
_RIDGE = 0.1
_NOISE_COLUMNS, _CHOSEN = 500, 20
_NEIGHBOURS = 3
_SMOOTHED = 6
_DAY = 24


@dataclass(frozen=True, slots=True)
class Leak:
    """A leak: what is done wrong, what the score is called, and both experiments."""

    name: str
    what: str
    unit: str
    fake: Experiment
    honest: Experiment


@dataclass(frozen=True, slots=True)
class Finding:
    """What a leak brought: both scores, and what the audit of either experiment says."""

    name: str
    what: str
    unit: str
    fake: float
    honest: float
    caught: list[str]
    honest_caught: list[str]


def find_leaks(panel: Panel) -> list[Finding]:
    """Run every leak and its honest counterpart on the newest bars of a panel.

    Raises:
        ValueError: the panel has fewer than 1,000 rows.
    """
    if len(panel) < MIN_ROWS:
        raise ValueError(f"panel had {len(panel)} rows; expected {MIN_ROWS} or more")
    part = panel.tail(MAX_ROWS)
    return [
        Finding(
            leak.name,
            leak.what,
            leak.unit,
            run_experiment(leak.fake, part),
            run_experiment(leak.honest, part),
            audit(leak.fake, part),
            audit(leak.honest, part),
        )
        for leak in LEAKS
    ]


def _returns_to(step: int, panel: Panel) -> Column:
    return np.asarray(label_returns(panel, step)[:, step - 1])


def _own_return(panel: Panel) -> Column:
    returns = np.full(len(panel), np.nan)
    returns[1:] = np.diff(np.log(panel.close))
    return returns


def _next_price(panel: Panel) -> Column:
    return np.append(panel.close[1:], np.nan)


def _features(panel: Panel) -> Matrix:
    return build_features(panel).astype(np.float64)


def _slow_features(panel: Panel) -> Matrix:
    # Those that hardly move from bar to bar: neighbours in them are neighbours in time.
    names = ("return_168", "above_mean_168", "above_mean_720", "variance_720", "variance_level",
             "imbalance_168", "skewness_168", "return_72")  # fmt: skip
    return _features(panel)[:, [FEATURE_NAMES.index(name) for name in names]]


def _price(panel: Panel) -> Matrix:
    return panel.close[:, None].copy()


def _smoothed(panel: Panel) -> Matrix:
    around = trailing_mean(panel.close, 2 * _SMOOTHED + 1)
    centred = np.append(around[_SMOOTHED:], np.full(_SMOOTHED, np.nan))
    return np.column_stack([_features(panel), np.log(centred / panel.close)])


def _day_joined(panel: Panel) -> Matrix:
    day = panel.open_ms // (_DAY * panel.interval.typical_ms)
    _, place = np.unique(day, return_inverse=True)
    last = np.zeros(place[-1] + 1)
    known = panel.present
    last[place[known]] = panel.close[known]  # the last one of a day stays
    return np.column_stack([_features(panel), np.log(last[place] / panel.close)])


def _noise(panel: Panel) -> Matrix:
    return np.random.default_rng(0).normal(size=(len(panel), _NOISE_COLUMNS))


def _by_time(reach: int, rows: int) -> Split:
    first = int(rows * (1 - _TESTED))
    return Split(np.arange(first - reach - _EMBARGO), np.arange(first, rows))


def _at_random(rows: int) -> Split:
    order = np.random.default_rng(0).permutation(rows)
    first = int(rows * (1 - _TESTED))
    return Split(np.sort(order[:first]), np.sort(order[first:]))


def _fit_linear(features: Matrix, label: Column, split: Split) -> Rule:
    known = features[split.train]
    mean, deviation = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-9)
    standard = (known - mean) / deviation
    centre = label[split.train].mean()
    gram = standard.T @ standard + _RIDGE * len(standard) * np.eye(standard.shape[1])
    slope = np.linalg.solve(gram, standard.T @ (label[split.train] - centre))
    return lambda rows: np.asarray((rows - mean) / deviation @ slope + centre)


def _fit_level(features: Matrix, label: Column, split: Split) -> Rule:
    slope, start = np.polyfit(features[split.train, 0], label[split.train], 1)
    return lambda rows: np.asarray(start + slope * rows[:, 0])


def _fit_neighbours(features: Matrix, label: Column, split: Split) -> Rule:
    known = features[split.train]
    mean, deviation = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-9)
    tree = cKDTree((known - mean) / deviation)
    came = label[split.train]

    def rule(rows: Matrix) -> Column:
        _, near = tree.query((rows - mean) / deviation, k=_NEIGHBOURS)
        return np.asarray(came[near].mean(axis=1))

    return rule


def _fit_chosen(features: Matrix, label: Column, split: Split, *, by: str) -> Rule:
    rows = np.concatenate([split.train, split.test]) if by == "all" else split.train
    centred = label[rows] - label[rows].mean()
    together = np.abs(features[rows].T @ centred)
    chosen = np.argsort(together)[-_CHOSEN:]
    rule = _fit_linear(features[:, chosen], label, split)
    return lambda tested: rule(tested[:, chosen])


def _direction(forecast: Column, label: Column) -> float:
    moved = label != 0
    return float((np.sign(forecast[moved]) == np.sign(label[moved])).mean())


def _explained(forecast: Column, label: Column) -> float:
    return float(1 - ((label - forecast) ** 2).sum() / ((label - label.mean()) ** 2).sum())


def _nothing(panel: Panel) -> Column:
    return np.zeros(len(panel))


def _today(panel: Panel) -> Column:
    return panel.close


def _honest(step: int) -> Experiment:
    return Experiment(
        features=_features,
        label=lambda panel: _returns_to(step, panel),
        reach=step,
        split=lambda rows: _by_time(step, rows),
        fit=_fit_linear,
        score=_direction,
        naive=_nothing,
    )


_LEVEL = Experiment(
    features=_price,
    label=_next_price,
    reach=1,
    split=lambda rows: _by_time(1, rows),
    fit=_fit_level,
    score=_explained,
    naive=_today,
)
_NEAR = replace(_honest(24), features=_slow_features, fit=_fit_neighbours)
_CHOICE = replace(_honest(1), features=_noise)

#: The leaks, the most seductive first.
LEAKS: tuple[Leak, ...] = (
    Leak(
        "price level",
        "forecasts the price itself and reports R2; honest: the same score of its return",
        "R2",
        _LEVEL,
        replace(_honest(1), score=_explained),
    ),
    Leak(
        "shuffled folds",
        "tests on bars between the training bars, whose 24-bar labels overlap them",
        "direction",
        replace(_NEAR, split=_at_random),
        _NEAR,
    ),
    Leak(
        "unshifted label",
        "forecasts the bar whose own return is among the inputs",
        "direction",
        replace(_honest(1), label=_own_return),
        _honest(1),
    ),
    Leak(
        "centred smoothing",
        "smooths prices over both sides before it splits them",
        "direction",
        replace(_honest(1), features=_smoothed),
        _honest(1),
    ),
    Leak(
        "selection on the test",
        "chooses 20 of 500 columns of pure noise by all rows, the tested ones too",
        "direction",
        replace(_CHOICE, fit=lambda x, y, split: _fit_chosen(x, y, split, by="all")),
        replace(_CHOICE, fit=lambda x, y, split: _fit_chosen(x, y, split, by="train")),
    ),
    Leak(
        "unclosed day",
        "joins each bar with the close of the 24-bar day it lies in",
        "direction",
        replace(_honest(6), features=_day_joined),
        _honest(6),
    ),
)
