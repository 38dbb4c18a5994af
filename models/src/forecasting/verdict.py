"""What a forecast may claim, by rule, and what a careful reader would do with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from forecasting.recipe import HEADLINE_STEPS
from market.forecast import DirectionVerdict, ScoreCard, Signal, Verdict


class Claims(NamedTuple):
    """The verdicts on a forecast's ranges, its point and its direction."""

    ranges: Verdict
    point: Verdict
    direction: DirectionVerdict


def claims_of(cards: Sequence[ScoreCard]) -> Claims:
    """Return what a model's cards allow: "skill" only where every headline step has it.

    Without cards nothing was shown, and nothing is claimed.
    """
    headline = [card for card in cards if card.step in HEADLINE_STEPS]
    complete = len(headline) == len(HEADLINE_STEPS)
    return Claims(
        "skill" if complete and all(c.verdict == "skill" for c in headline) else "none",
        "skill" if complete and all(c.point_verdict == "skill" for c in headline) else "none",
        "skill"
        if complete and all(c.direction_verdict == "skill" for c in headline)
        else "coin_flip",
    )


def signal_of(claims: Claims, expected: float, cards: Sequence[ScoreCard]) -> Signal:
    """Return BUY or SELL only where direction has skill and the point moves; else HOLD.

    Args:
        expected: the point's log-return at the next step.
    """
    if not cards:
        return Signal(action="HOLD", reason="This model was not evaluated yet.")
    nearest = min(cards, key=lambda card: card.step)
    if (nearest.direction_low, nearest.direction_high) == (0.0, 1.0):
        return Signal(action="HOLD", reason="This model expects no direction.")
    shares = (
        f"{nearest.direction_accuracy:.1%} of directions right"
        f" ({nearest.direction_low:.1%} to {nearest.direction_high:.1%}, n = {nearest.n})"
    )
    if claims.direction != "skill":
        reason = f"The direction is a coin flip: {shares}, not above the more frequent direction."
        return Signal(action="HOLD", reason=reason)
    if claims.point != "skill" or expected == 0.0:
        reason = f"The direction has skill ({shares}), but the point is not better than naive."
        return Signal(action="HOLD", reason=reason)
    return Signal(
        action="BUY" if expected > 0 else "SELL", reason=f"The direction has skill: {shares}."
    )
