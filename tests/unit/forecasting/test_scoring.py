import math

import numpy as np
import pytest
from scipy import stats

from forecasting.scoring import coverage, diebold_mariano, holm, pinball, wilson

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)


def test_pinball_agrees_with_its_definition() -> None:
    dice = np.random.default_rng(0)
    quantiles, outcome = np.sort(dice.normal(size=(20, 7)), axis=1), dice.normal(size=20)

    losses = pinball(quantiles, outcome)

    for row in range(20):
        terms = [
            level * (outcome[row] - q) if outcome[row] >= q else (1 - level) * (q - outcome[row])
            for level, q in zip(LEVELS, quantiles[row], strict=True)
        ]
        assert losses[row] == pytest.approx(sum(terms) / 7)


def dm_oracle(d: list[float], step: int) -> tuple[float, float]:
    """Write the textbook down: autocovariances by double loop, Bartlett, HLN, Student t."""
    n, mean = len(d), sum(d) / len(d)
    lags = max(2 * step, int(n ** (1 / 3)))
    gamma = [
        sum((d[t] - mean) * (d[t - k] - mean) for t in range(k, n)) / n for k in range(lags + 1)
    ]
    variance = gamma[0] + 2 * sum((1 - k / (lags + 1)) * gamma[k] for k in range(1, lags + 1))
    t = mean / math.sqrt(variance / n) * math.sqrt((n + 1 - 2 * step + step * (step - 1) / n) / n)
    return t, float(stats.t.cdf(t, n - 1))


@pytest.mark.parametrize("step", [1, 6, 24])
def test_diebold_mariano_agrees_with_the_textbook(step) -> None:
    noise = np.random.default_rng(step).normal(-0.05, 1, 400)
    difference = np.convolve(noise, np.ones(step), mode="valid")

    found = diebold_mariano(difference, step)

    t, p = dm_oracle(difference.tolist(), step)
    assert found.t == pytest.approx(t)
    assert found.p == pytest.approx(p)


def test_diebold_mariano_keeps_its_level_on_overlapping_noise() -> None:
    dice = np.random.default_rng(5)
    rejected = [
        diebold_mariano(np.convolve(dice.normal(size=623), np.ones(24), "valid"), 24).p < 0.05
        for _ in range(300)
    ]

    assert np.mean(rejected) < 0.11


def test_diebold_mariano_of_equal_losses_claims_nothing() -> None:
    assert diebold_mariano(np.zeros(100), 1) == (0.0, 1.0)
    assert diebold_mariano(np.full(100, np.nan), 1) == (0.0, 1.0)


def test_holm_multiplies_the_smallest_most() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_wilson_agrees_with_scipy() -> None:
    expected = stats.binomtest(54, 100).proportion_ci(0.95, method="wilson")

    assert wilson(0.54, 100) == pytest.approx((expected.low, expected.high))
    assert wilson(0.5, 0) == (0.0, 1.0)


def test_coverage_counts_both_ends_in() -> None:
    quantiles = np.tile(np.arange(7.0), (4, 1))

    assert coverage(quantiles, np.array([1.0, 5.0, 0.9, 5.1]), 1, 5) == 0.5
