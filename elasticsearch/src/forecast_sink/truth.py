"""What became of a forecast: errors of one step, and the scores of a day.

Errors are in the quote currency, `error` = actual - point. The naive forecast, by which skill
is told, is that the price stays as it was at the cutoff.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from market.forecast import Step

_BANDS = (("50", "0.25", "0.75"), ("80", "0.1", "0.9"), ("95", "0.025", "0.975"))


def judge_step(step: Step, last_close: float, actual: float) -> dict[str, Any]:
    """Return the truth fields of a step whose kline closed at `actual`.

    `skill` is (naive - own error) / the larger of both, -1 to 1: its mean does not burst where
    the price stood still. `direction_hit` is left out where point or price did not move.
    """
    error = actual - step.point
    own, naive = abs(error), abs(actual - last_close)
    fields: dict[str, Any] = {
        "actual": actual,
        "error": error,
        "abs_error": own,
        "squared_error": error * error,
        "percentage_error": own / actual,
        "naive_error": naive,
        "skill": (naive - own) / max(naive, own) if naive != own else 0.0,
        "pinball": _pinball(step, last_close, actual),
        **{
            f"in_band_{name}": int(step.quantiles[low] <= actual <= step.quantiles[high])
            for name, low, high in _BANDS
        },
    }
    expected, moved = step.point - last_close, actual - last_close
    if expected != 0 and moved != 0:
        fields["direction_hit"] = int((expected > 0) == (moved > 0))
    return fields


def _pinball(step: Step, last_close: float, actual: float) -> float:
    """Return the mean pinball loss over the levels, in log-return units."""
    outcome = math.log(actual / last_close)
    losses = []
    for level, price in step.quantiles.items():
        below = outcome - math.log(price / last_close)
        losses.append(max(float(level) * below, (float(level) - 1) * below))
    return sum(losses) / len(losses)


class Judged(NamedTuple):
    """One step with its truth: the fields of `judge_step`, and the 80 % band's log width."""

    fields: dict[str, Any]
    width_80: float


def band_width(step: Step) -> float:
    """Return the width of the 80 % band in log-return units."""
    return math.log(step.quantiles["0.9"] / step.quantiles["0.1"])


def score_day(judged: Sequence[Judged], scale: float) -> dict[str, Any]:
    """Return a day's scores of one model's steps; `judged` holds one at least.

    `scale` is the mean absolute change of one kline, by which `mase` is told; where it is 0,
    `mase` is left out, and so is `skill` where the price never moved.
    """
    n = len(judged)

    def mean(field: str) -> float:
        return sum(float(one.fields[field]) for one in judged) / n

    mae, naive = mean("abs_error"), mean("naive_error")
    hits = [one.fields["direction_hit"] for one in judged if "direction_hit" in one.fields]
    scores: dict[str, Any] = {
        "n": n,
        "direction_n": len(hits),
        **{f"coverage_{name}": mean(f"in_band_{name}") for name, _, _ in _BANDS},
        "width_80": sum(one.width_80 for one in judged) / n,
        "pinball": mean("pinball"),
        "mae": mae,
        "naive_mae": naive,
        "rmse": math.sqrt(mean("squared_error")),
        "mape": mean("percentage_error"),
        "bias": mean("error"),
    }
    if naive > 0:
        scores["skill"] = 1 - mae / naive
    if scale > 0:
        scores["mase"] = mae / scale
    if hits:
        scores["direction_accuracy"] = sum(hits) / len(hits)
    return scores
