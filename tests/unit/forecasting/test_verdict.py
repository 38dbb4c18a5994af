import pytest

from forecasting.verdict import claims_of, signal_of
from market.forecast import ScoreCard


def card(step: int, **changes: object) -> ScoreCard:
    fields: dict[str, object] = {
        "symbol": "BTCUSDT", "interval": "1h", "model": "ridge", "version": "ridge-0", "step": step,
        "kind": "replay", "from_ms": 0, "to_ms": 1, "n": 1000, "n_eff": 1000 // step,
        "pinball": 0.1, "skill_constant": 0.1, "p_constant": 0.0, "skill_ewma": 0.1, "p_ewma": 0.0,
        "coverage_50": 0.5, "coverage_80": 0.8, "coverage_95": 0.95, "width_80": 0.1,
        "mae_ratio": 0.99, "p_mae": 0.0, "direction_accuracy": 0.53, "direction_low": 0.52,
        "direction_high": 0.54, "direction_majority": 0.51, "verdict": "skill",
        "point_verdict": "skill", "direction_verdict": "skill",
    }  # fmt: skip
    return ScoreCard.model_validate(fields | changes)


ALL = [card(step) for step in (1, 3, 6, 12, 24, 36, 50)]


def test_skill_needs_every_headline_step() -> None:
    assert claims_of(ALL) == ("skill", "skill", "skill")
    for step in (1, 6, 24):
        weak = card(step, verdict="none", point_verdict="none", direction_verdict="coin_flip")
        assert claims_of([*(c for c in ALL if c.step != step), weak]) == (
            "none",
            "none",
            "coin_flip",
        )


def test_a_weak_far_step_takes_nothing_from_the_near_ones() -> None:
    assert claims_of([*ALL[:-1], card(50, verdict="none")]).ranges == "skill"


@pytest.mark.parametrize("cards", [[], ALL[:1], [card(3), card(12)]])
def test_nothing_shown_is_nothing_claimed(cards) -> None:
    assert claims_of(cards) == ("none", "none", "coin_flip")


def test_signal_follows_a_direction_with_skill_and_a_point_with_skill() -> None:
    claims = claims_of(ALL)

    assert signal_of(claims, 0.001, ALL).action == "BUY"
    assert signal_of(claims, -0.001, ALL).action == "SELL"
    assert signal_of(claims, 0.0, ALL).action == "HOLD"
    assert signal_of(claims._replace(point="none"), 0.001, ALL).action == "HOLD"


def test_signal_of_a_model_without_a_direction_says_so() -> None:
    silent = card(1, direction_accuracy=0.5, direction_low=0.0, direction_high=1.0)

    signal = signal_of(claims_of(ALL), 0.0, [silent])

    assert (signal.action, signal.reason) == ("HOLD", "This model expects no direction.")


def test_signal_holds_on_a_coin_flip_and_says_so() -> None:
    signal = signal_of(claims_of(ALL)._replace(direction="coin_flip"), 0.001, ALL)

    assert signal.action == "HOLD"
    assert "coin flip: 53.0% of directions right (52.0% to 54.0%, n = 1000)" in signal.reason
