"""Cards of an evaluation: what the command line prints of journals, and nothing but them.

p-values are adjusted by Holm over all symbols, intervals and steps one model was judged on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forecasting.evaluate import (
    POINT_P,
    SKILL_P,
    Rows,
    measure_step,
    seen_cutoffs,
)
from forecasting.journal import Journal
from forecasting.measures import (
    Interval95,
    bootstrap_skill,
    brier,
    chance_up,
    mase,
    qlike,
    terciles,
    worst_coverage,
)
from forecasting.scoring import coverage, holm, pinball
from market.forecast import Shape
from market.interval import DAY_MS

Claim = Literal["skill", "no skill over naive"]

#: Deviations beyond which 30 days are called up or down.
_TREND = 0.5
_MIDDLE = 3


class EvaluationCard(Shape):
    """How good a model's forecasts of one step were, in a walk-forward.

    `dm_p` is the larger of the p-values against the two baselines, adjusted; `skill_*`,
    `coverage_*`, `worst_30d_coverage_80` (`None` below 30 days) and `mae_ratio` are fractions.
    """

    symbol: str
    interval: str
    model: str
    step: int
    n: int
    n_effective: int
    pinball: float
    skill_vs_random_walk: float
    skill_vs_ewma: float
    dm_p: float
    coverage_50: float
    coverage_80: float
    coverage_95: float
    worst_30d_coverage_80: float | None
    mae_ratio: float
    verdict: Claim
    point_verdict: Claim
    direction_verdict: Literal["edge", "coin flip"]


class CardPage(Shape):
    """What `evaluate --json` prints."""

    cards: list[EvaluationCard]


class Regime(Shape):
    """Scores at the cutoffs of one state of the market; of fewer than 100 there are none."""

    name: str
    n: int
    coverage_80: float
    skill_vs_random_walk: float
    skill_vs_ewma: float


class Detail(Shape):
    """What a card has no place for: further losses, intervals, and scores by regime.

    `qlike` judges sigma against realised variance, `None` where sigma is not a return's;
    `brier` the chance of a rise; `skill_*_95` are block-bootstrap intervals.
    """

    symbol: str
    interval: str
    model: str
    step: int
    width_80: float
    qlike: float | None
    brier: float
    mase: float
    direction_accuracy: float
    direction_95: Interval95
    direction_majority: float
    skill_vs_random_walk_95: Interval95
    skill_vs_ewma_95: Interval95
    regimes: list[Regime]


def build_cards(journals: Sequence[Journal]) -> list[EvaluationCard]:
    """Return a card for each model, series and step with outcomes, the naive rows first."""
    models = list(dict.fromkeys(rows.model for journal in journals for rows in journal.rows))
    return [card for model in models for card in _cards_of(model, journals)]


def _cards_of(model: str, journals: Sequence[Journal]) -> list[EvaluationCard]:
    measured = [
        (journal, rows, column, measure)
        for journal in journals
        for rows in journal.rows
        if rows.model == model
        for column in range(len(rows.steps))
        if (measure := measure_step(rows, journal.baselines, column)) is not None
    ]
    ranges = holm([max(m["p_constant"], m["p_ewma"]) for *_, m in measured])
    points = holm([m["p_mae"] for *_, m in measured])
    return [
        EvaluationCard(
            symbol=journal.symbol,
            interval=journal.interval,
            model=model,
            step=rows.steps[column],
            n=measure["n"],
            n_effective=measure["n_eff"],
            pinball=measure["pinball"],
            skill_vs_random_walk=measure["skill_constant"],
            skill_vs_ewma=measure["skill_ewma"],
            dm_p=range_p,
            coverage_50=measure["coverage_50"],
            coverage_80=measure["coverage_80"],
            coverage_95=measure["coverage_95"],
            worst_30d_coverage_80=_worst(journal, rows, column),
            mae_ratio=measure["mae_ratio"],
            verdict="skill" if range_p < SKILL_P else "no skill over naive",
            point_verdict="skill" if point_p < POINT_P else "no skill over naive",
            direction_verdict="edge" if measure["direction_verdict"] == "skill" else "coin flip",
        )
        for (journal, rows, column, measure), range_p, point_p in zip(
            measured, ranges, points, strict=True
        )
    ]


def _worst(journal: Journal, rows: Rows, column: int) -> float | None:
    seen = seen_cutoffs(rows, journal.baselines, column)
    outcome, quantiles = rows.outcome[seen, column], rows.quantiles[seen, column]
    inside = (outcome >= quantiles[:, 1]) & (outcome <= quantiles[:, 5])
    return worst_coverage(inside, journal.cutoff_ms[seen] // DAY_MS)


def build_details(journals: Sequence[Journal]) -> list[Detail]:
    """Return the details of every model, series and step with outcomes."""
    return [
        _detail(journal, rows, column, measure)
        for journal in journals
        for rows in journal.rows
        for column in range(len(rows.steps))
        if (measure := measure_step(rows, journal.baselines, column)) is not None
    ]


def _detail(journal: Journal, rows: Rows, column: int, measure: dict[str, Any]) -> Detail:
    step = rows.steps[column]
    seen = seen_cutoffs(rows, journal.baselines, column)
    outcome, quantiles = rows.outcome[seen, column], rows.quantiles[seen, column]
    loss = pinball(quantiles, outcome)
    constant, ewma = (pinball(b.quantiles[seen, column], outcome) for b in journal.baselines)
    block = max(2 * step, round(len(loss) ** (1 / 3)))
    losses = np.column_stack([loss, constant, ewma])
    return Detail(
        symbol=journal.symbol,
        interval=journal.interval,
        model=rows.model,
        step=step,
        width_80=measure["width_80"],
        qlike=_mean_qlike(journal, rows, seen, column),
        brier=brier(chance_up(quantiles), outcome > 0),
        mase=mase(outcome - quantiles[:, _MIDDLE], max(float(journal.naive[column]), 1e-12)),
        direction_accuracy=measure["direction_accuracy"],
        direction_95=Interval95(measure["direction_low"], measure["direction_high"]),
        direction_majority=measure["direction_majority"],
        skill_vs_random_walk_95=bootstrap_skill(loss, constant, block),
        skill_vs_ewma_95=bootstrap_skill(loss, ewma, block),
        regimes=[
            _regime(name, losses[chosen], quantiles[chosen], outcome[chosen])
            for name, chosen in _regimes(journal, seen).items()
            if chosen.sum() >= 100
        ],
    )


def _mean_qlike(journal: Journal, rows: Rows, seen: NDArray[np.bool_], column: int) -> float | None:
    sigma, realised = rows.sigma[seen, column], journal.realised[seen, column]
    known = np.isfinite(sigma) & np.isfinite(realised)
    if not known.any() or (sigma[known] == 1.0).all():
        return None
    return float(qlike(realised[known], sigma[known]).mean())


def _regimes(journal: Journal, seen: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    third = terciles(journal.volatility[seen])
    trend = journal.trend[seen]
    names = ("calm", "normal", "rough")
    return {
        **{name: third == place for place, name in enumerate(names)},
        "up": trend > _TREND,
        "down": trend < -_TREND,
        "flat": np.abs(trend) <= _TREND,
    }


def _regime(name: str, losses: Any, quantiles: Any, outcome: Any) -> Regime:
    loss, constant, ewma = losses.mean(axis=0) + 1e-12
    return Regime(
        name=name,
        n=len(outcome),
        coverage_80=coverage(quantiles, outcome, 1, 5),
        skill_vs_random_walk=float(1 - loss / constant),
        skill_vs_ewma=float(1 - loss / ewma),
    )
