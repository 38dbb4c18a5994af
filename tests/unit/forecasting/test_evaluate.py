from statistics import NormalDist

import numpy as np
import pytest

from forecasting.conformal import LEVELS
from forecasting.evaluate import Baselines, Rows, better_p, choose_champion, score_rows
from forecasting.walk import gate_weights
from support.panels import make_panel, small_dataset

DATASET = small_dataset(make_panel(2_000))
COUNT, STEPS = 1_500, (1, 6)
DICE = np.random.default_rng(0)
OUTCOME = DICE.normal(0, 1, (COUNT, 2))
NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def rows(model: str, width: float, *, centre: float = 0.0, expected: float = 0.0) -> Rows:
    """Return rows of normal bands, `width` times as wide as the outcomes are spread."""
    quantiles = np.tile(centre + width * NORMAL, (COUNT, 2, 1))
    cutoffs = np.arange(COUNT) * 3_600_000
    sigma = np.ones((COUNT, 2))
    return Rows(model, STEPS, cutoffs, quantiles, OUTCOME, np.full((COUNT, 2), expected), sigma)


def verdicts(model: Rows, constant: float, ewma: float) -> list[str]:
    baselines = Baselines(rows("constant", constant), rows("ewma", ewma))
    return [card.verdict for card in score_rows(model, baselines, DATASET, "m-0")]


def test_ranges_have_skill_only_against_both_baselines() -> None:
    sharp = rows("m", 1.0)

    assert verdicts(sharp, 2.0, 2.0) == ["skill", "skill"]
    assert verdicts(sharp, 1.0, 2.0) == ["none", "none"]
    assert verdicts(sharp, 2.0, 1.0) == ["none", "none"]


def test_a_card_measures_what_it_says() -> None:
    baselines = Baselines(rows("constant", 1.0), rows("ewma", 1.0))
    card = score_rows(rows("m", 1.0, expected=1.0), baselines, DATASET, "m-0")[1]

    assert card.coverage_80 == pytest.approx(0.8, abs=0.03)
    assert card.width_80 == pytest.approx(2 * 1.2816, abs=1e-3)
    assert (card.skill_constant, card.mae_ratio, card.p_mae) == (0.0, 1.0, 1.0)
    assert card.direction_accuracy == (OUTCOME[:, 1] > 0).mean()
    assert (card.n, card.n_eff) == (COUNT, COUNT // 6)


def test_a_missing_outcome_is_not_scored() -> None:
    holed = OUTCOME.copy()
    holed[::10, 0] = np.nan
    baselines = Baselines(rows("constant", 1.0), rows("ewma", 1.0))

    cards = score_rows(rows("m", 1.0)._replace(outcome=holed), baselines, DATASET, "m-0")

    assert [card.n for card in cards] == [1_350, 1_500]


def test_the_champion_stays_unless_another_is_proved_better() -> None:
    current, equal = rows("random_walk", 1.5), rows("ridge", 1.5)

    stayed, why = choose_champion(current, [equal, rows("mlp", 1.6)])
    changed, because = choose_champion(current, [equal, rows("mlp", 1.0)])

    assert (stayed.model, changed.model) == ("random_walk", "mlp")
    assert "no model has better ranges" in why
    assert "mlp has better ranges than random_walk" in because
    assert choose_champion(current, [])[0] is current


def test_far_steps_do_not_decide_alone() -> None:
    # Better at the near step, whose losses are small, and just as good at the far one.
    scaled = np.array([1.0, 100.0])
    wide = rows("random_walk", 1.5)
    wide = wide._replace(outcome=OUTCOME * scaled, quantiles=wide.quantiles * scaled[:, None])
    near = wide.quantiles.copy()
    near[:, 0] /= 1.5

    assert better_p(wide._replace(quantiles=near), wide) < 1e-6


def test_the_gate_knows_only_outcomes_that_came() -> None:
    # Perfect on every outcome known at the row, absurd on all that were still to come.
    row = 1_500
    steps = np.arange(1, 51)
    known = np.arange(2_000)[:, None] + steps <= row
    expected = np.where(known, 2 * DATASET.labels, 1e6)

    assert (gate_weights(DATASET, expected, row)[:5] == 0.5).all()
    assert (gate_weights(DATASET, expected, row + 5)[:5] == 0.0).all()


def test_the_gate_knows_nothing_before_a_step_has_come() -> None:
    assert (gate_weights(DATASET, 2 * DATASET.labels, 10) == 0.0).all()


def test_the_gate_stays_shut_on_too_little_to_judge_by() -> None:
    expected = np.full((2_000, 50), np.nan)
    expected[1_400:] = 2 * np.nan_to_num(DATASET.labels[1_400:])

    assert (gate_weights(DATASET, expected, 1_500) == 0.0).all()


@pytest.mark.filterwarnings("error")
def test_a_price_that_stands_still_is_measured_by_numbers() -> None:
    still = np.zeros((COUNT, 2))
    parts = [rows(name, width)._replace(outcome=still) for name, width in (("m", 0.0), ("r", 1.0))]
    sure, unsure = parts

    best = score_rows(sure, Baselines(sure, unsure), DATASET, "m-0")[0]
    worst = score_rows(unsure, Baselines(sure, unsure), DATASET, "m-0")[0]

    assert (best.skill_constant, best.mae_ratio, best.verdict) == (0.0, 1.0, "none")
    assert best.skill_ewma == pytest.approx(1.0)
    assert -np.inf < worst.skill_constant < -1e9
    assert better_p(sure, sure) == 1.0


def test_a_step_without_an_outcome_has_no_card() -> None:
    unknown = OUTCOME.copy()
    unknown[:, 0] = np.nan
    model = rows("m", 1.0)._replace(outcome=unknown)

    cards = score_rows(model, Baselines(rows("c", 2.0), rows("e", 2.0)), DATASET, "m-0")

    assert [(card.step, card.verdict) for card in cards] == [(6, "skill")]
