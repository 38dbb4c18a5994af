"""What became of a forecast: errors of a step, and the scores of a day."""

from __future__ import annotations

import math

import pytest

from forecast_sink.truth import Judged, band_width, judge_step, score_day
from market.forecast import QUANTILE_LEVELS, Step

PRICES = (80.0, 90.0, 95.0, 100.0, 105.0, 110.0, 120.0)
STEP = Step(
    step=1,
    target_ms=1,
    point=101.0,
    sigma=0.1,
    quantiles=dict(zip(QUANTILE_LEVELS, PRICES, strict=True)),
)


def test_errors_are_told_in_the_quote_currency() -> None:
    fields = judge_step(STEP, 100.0, 104.0)

    assert (fields["error"], fields["abs_error"], fields["squared_error"]) == (3.0, 3.0, 9.0)
    assert fields["percentage_error"] == pytest.approx(3 / 104)
    assert fields["naive_error"] == 4.0
    assert fields["skill"] == pytest.approx(0.25)
    assert fields["direction_hit"] == 1


@pytest.mark.parametrize(
    ("actual", "bands"),
    [(95.0, (1, 1, 1)), (94.0, (0, 1, 1)), (120.0, (0, 0, 1)), (121.0, (0, 0, 0))],
)
def test_band_is_met_up_to_its_edges(actual: float, bands: tuple[int, int, int]) -> None:
    fields = judge_step(STEP, 100.0, actual)

    assert tuple(fields[f"in_band_{name}"] for name in ("50", "80", "95")) == bands


def test_skill_stays_between_minus_one_and_one_where_the_price_stood_still() -> None:
    fields = judge_step(STEP, 100.0, 100.0)

    assert fields["skill"] == -1.0
    assert "direction_hit" not in fields
    assert judge_step(STEP.model_copy(update={"point": 100.0}), 100.0, 100.0)["skill"] == 0.0


def test_pinball_is_the_mean_loss_over_the_levels_in_log_returns() -> None:
    outcome = math.log(1.04)
    losses = [
        max(level * (outcome - q), (level - 1) * (outcome - q))
        for level, q in (
            (float(name), math.log(price / 100)) for name, price in STEP.quantiles.items()
        )
    ]

    assert judge_step(STEP, 100.0, 104.0)["pinball"] == pytest.approx(sum(losses) / 7)


def test_score_of_a_day_is_the_ratio_of_means() -> None:
    judged = [Judged(judge_step(STEP, 100.0, price), band_width(STEP)) for price in (104.0, 90.0)]

    scores = score_day(judged, 2.0)

    assert (scores["n"], scores["direction_n"]) == (2, 2)
    assert scores["mae"] == pytest.approx((3 + 11) / 2)
    assert scores["skill"] == pytest.approx(1 - 14 / 14)
    assert scores["mase"] == pytest.approx(3.5)
    assert scores["rmse"] == pytest.approx(math.sqrt((9 + 121) / 2))
    assert scores["bias"] == pytest.approx(-4.0)
    assert (scores["coverage_50"], scores["coverage_80"]) == (0.5, 1.0)
    assert scores["direction_accuracy"] == 0.5
    assert scores["width_80"] == pytest.approx(math.log(110 / 90))


def test_score_leaves_out_what_a_still_market_can_not_tell() -> None:
    still = STEP.model_copy(update={"point": 100.0})
    scores = score_day([Judged(judge_step(still, 100.0, 100.0), 0.1)], 0.0)

    assert not {"skill", "mase", "direction_accuracy"} & set(scores)
