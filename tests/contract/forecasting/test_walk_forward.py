"""The whole walk-forward: it knows no future, it claims no skill on noise, it finds a plant."""

import numpy as np
import pytest

from forecasting.evaluation import Evaluation
from forecasting.interruption import go_on
from forecasting.registry import REGISTRY
from support.panels import change_after, make_panel, small_dataset

ROWS = 2_600


def walked(dataset, models):
    evaluation = Evaluation(dataset, (1, 6, 24))
    rows = list(evaluation.iter_models(models, go_on))
    return evaluation, {one.walk.model: one for one in rows}


@pytest.fixture(scope="module")
def noise():
    """A walk whose returns can't be foreseen, though their size can."""
    return small_dataset(make_panel(ROWS, missing=(1_700, 1_701)))


@pytest.fixture(scope="module")
def evaluated(noise):
    return walked(noise, REGISTRY)


@pytest.mark.parametrize("model", REGISTRY)
def test_no_forecast_knows_what_comes_after(noise, evaluated, model) -> None:
    cutoff = 2_300
    changed = small_dataset(change_after(noise.panel, cutoff))

    _, others = walked(changed, [model])

    mine, other = evaluated[1][model], others[model]
    known = int(np.searchsorted(mine.rows.cutoff_ms, noise.panel.open_ms[cutoff], side="right"))
    assert known > 400
    np.testing.assert_array_equal(other.rows.quantiles[:known], mine.rows.quantiles[:known])
    np.testing.assert_array_equal(other.rows.expected[:known], mine.rows.expected[:known])
    assert not np.array_equal(other.rows.quantiles[known:], mine.rows.quantiles[known:])


def test_noise_has_no_point_and_no_direction_skill(evaluated) -> None:
    evaluation, models = evaluated
    cards = evaluation.score(list(models.values()), dict.fromkeys(models, "test"))

    assert len(cards) == 3 * len(REGISTRY)
    assert {card.point_verdict for card in cards} == {"none"}
    assert sum(card.direction_verdict == "skill" for card in cards) <= 1
    assert all(card.mae_ratio <= 1.0005 for card in cards)


def test_random_walk_has_the_naive_point(evaluated) -> None:
    evaluation, models = evaluated
    cards = evaluation.score([models["random_walk"]], {"random_walk": "test"})

    assert [card.mae_ratio for card in cards] == [1.0] * 3
    assert [card.p_mae for card in cards] == [1.0] * 3
    assert [card.direction_verdict for card in cards] == ["coin_flip"] * 3


def test_bands_cover_what_they_promise(evaluated) -> None:
    evaluation, models = evaluated
    cards = evaluation.score([models["random_walk"]], {"random_walk": "test"})

    for card in cards[:2]:
        assert card.n > 800
        assert card.coverage_80 == pytest.approx(0.8, abs=0.06)
        assert card.coverage_95 == pytest.approx(0.95, abs=0.04)


def test_cards_name_their_cutoffs_and_count_them(noise, evaluated) -> None:
    evaluation, models = evaluated
    card = evaluation.score([models["ridge"]], {"ridge": "ridge-0"})[2]

    assert (card.model, card.version, card.step, card.kind) == ("ridge", "ridge-0", 24, "replay")
    assert card.to_ms == noise.panel.cutoff_ms
    assert card.n == np.isfinite(noise.labels[evaluation.span, 23]).sum()
    assert card.n_eff == card.n // 24


def test_planted_momentum_is_found_and_passes_the_gate() -> None:
    planted = small_dataset(make_panel(ROWS, momentum=0.4))

    evaluation, models = walked(planted, ["ridge"])
    card = evaluation.score([models["ridge"]], {"ridge": "test"})[0]

    assert models["ridge"].weights[0] == 0.5
    assert card.mae_ratio < 0.99
    assert (card.point_verdict, card.direction_verdict) == ("skill", "skill")


def test_pure_noise_of_constant_size_has_no_skill_in_its_ranges() -> None:
    # A smooth volatility beats a noisy EWMA on anything; the constant one is not beaten.
    verdicts = []
    for seed in range(3):
        dice = np.random.default_rng(seed)
        panel = make_panel(ROWS)
        close = 30_000 * np.exp(np.cumsum(dice.normal(0, 0.005, ROWS)))
        opened = np.concatenate([[30_000.0], close[:-1]])
        reach = np.abs(dice.normal(0, 0.003, (2, ROWS)))
        still = type(panel)(
            panel.symbol,
            panel.interval,
            panel.open_ms,
            opened,
            np.maximum(opened, close) * np.exp(reach[0]),
            np.minimum(opened, close) * np.exp(-reach[1]),
            close,
            panel.volume,
            panel.number_of_trades,
            panel.taker_buy_base_asset_volume,
        )
        evaluation, models = walked(small_dataset(still), [])
        cards = evaluation.score(list(models.values()), {"random_walk": "test"})
        verdicts += [card.verdict for card in cards]

    assert set(verdicts) == {"none"}
