"""The measures beside libraries that others wrote."""

import warnings

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import CircularBlockBootstrap
from scipy.integrate import quad
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from forecasting.conformal import LEVELS
from forecasting.measures import (
    bootstrap_skill,
    brier,
    chance_up,
    mase,
    qlike,
    terciles,
    worst_coverage,
)
from forecasting.scoring import coverage, holm, pinball

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a wrong escape in one of its docstrings
    from utilsforecast import losses

DICE = np.random.default_rng(4)
QUANTILES = np.sort(DICE.normal(size=(300, 7)), axis=1)
OUTCOME = DICE.normal(size=300)


def frame(**columns: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": "a", "ds": np.arange(300), "y": OUTCOME} | columns)


def test_pinball_and_coverage_agree_with_utilsforecast() -> None:
    names = [f"q{level}" for level in range(7)]
    table = frame(**dict(zip(names, QUANTILES.T, strict=True)))

    expected = [
        losses.quantile_loss(table, {"m": name}, q=level)["m"].iloc[0]
        for name, level in zip(names, LEVELS, strict=True)
    ]

    assert pinball(QUANTILES, OUTCOME).mean() == pytest.approx(np.mean(expected))
    inside = losses.coverage(
        table.rename(columns={"q1": "m-lo-80", "q5": "m-hi-80"}), ["m"], level=80
    )
    assert coverage(QUANTILES, OUTCOME, 1, 5) == pytest.approx(inside["m"].iloc[0])


@pytest.mark.parametrize("step", [1, 6])
def test_mase_agrees_with_utilsforecast(step) -> None:
    train = pd.DataFrame(
        {"unique_id": "a", "ds": np.arange(90), "y": DICE.normal(size=90).cumsum()}
    )
    table = frame(m=QUANTILES[:, 3])
    scale = np.abs(train["y"].to_numpy()[step:] - train["y"].to_numpy()[:-step]).mean()

    expected = losses.mase(table, ["m"], seasonality=step, train_df=train)["m"].iloc[0]

    assert mase(OUTCOME - QUANTILES[:, 3], scale) == pytest.approx(expected)


def test_holm_agrees_with_statsmodels() -> None:
    p_values = DICE.random(30).tolist()

    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_block_bootstrap_agrees_with_arch() -> None:
    # Neighbours hang together, so that single rows drawn apart would give a third of the width.
    shocks, noise = (
        np.convolve(DICE.normal(size=3_011), np.ones(12) / 12, "valid") for _ in range(2)
    )
    yardstick = 1 + np.abs(shocks)
    loss = 0.97 * yardstick + 0.2 * noise

    low, high = bootstrap_skill(loss, yardstick, 24)

    theirs = CircularBlockBootstrap(24, loss, yardstick, seed=1)
    expected = theirs.conf_int(
        lambda a, b: 1 - a.mean() / b.mean(), 500, method="percentile", size=0.95
    ).ravel()
    assert (low, high) == pytest.approx(tuple(expected), abs=1e-3)
    assert low < 1 - loss.mean() / yardstick.mean() < high
    assert bootstrap_skill(loss, yardstick, 24) == (low, high)


def test_qlike_is_smallest_where_sigma_is_right() -> None:
    realised = np.full(5, 4.0)

    values = qlike(realised, np.array([1.0, 1.9, 2.0, 2.1, 4.0]))

    assert values[2] == 0.0
    assert values.argmin() == 2
    assert values[4] == pytest.approx(4 / 16 - np.log(4 / 16) - 1)


@pytest.mark.parametrize("mean", [-3.0, -0.4, 0.0, 0.3, 3.0])
def test_chance_up_follows_the_quantiles(mean) -> None:
    quantiles = mean + np.array([norm.ppf(level) for level in LEVELS])

    found = chance_up(quantiles[None, :])[0]

    assert found == pytest.approx(np.clip(norm.cdf(mean), 0.025, 0.975), abs=0.02)


def test_brier_of_a_coin_and_of_a_seer() -> None:
    came = DICE.random(200) < 0.5

    assert brier(np.full(200, 0.5), came) == 0.25
    assert brier(came.astype(float), came) == 0.0
    expected, _ = quad(lambda p: p * (1 - p), 0, 1)
    chance = DICE.random(200_000)
    assert brier(chance, DICE.random(200_000) < chance) == pytest.approx(expected, abs=0.002)


def test_worst_coverage_moves_by_days() -> None:
    day = np.repeat(np.arange(100), 24)
    inside = np.ones(2_400, dtype=bool)
    inside[(day >= 50) & (day < 59)] = False

    assert worst_coverage(inside, day) == pytest.approx(21 / 30)
    assert worst_coverage(inside[:600], day[:600]) is None
    # After an outage a window counts from half of its days on: here 6 of 15 were held.
    kept = (day < 20) | (day >= 49)
    assert worst_coverage(inside[kept], day[kept]) == pytest.approx(6 / 15)


def test_terciles_are_thirds() -> None:
    assert np.bincount(terciles(DICE.normal(size=999))).tolist() == [333, 333, 333]
