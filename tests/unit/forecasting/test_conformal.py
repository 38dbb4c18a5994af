from statistics import NormalDist

import numpy as np
import pytest

from forecasting.conformal import (
    LEVELS,
    band_table,
    enter,
    residual_windows,
    sorted_quantiles,
    tail_symmetry,
    window,
)
from forecasting.recipe import recipe_for
from market.interval import Interval


@pytest.fixture
def residuals():
    dice = np.random.default_rng(3)
    values = dice.standard_t(4, (900, 3)) + 0.2
    values[dice.random((900, 3)) < 0.1] = np.nan
    return values


def test_a_residual_becomes_known_step_rows_after_its_origin() -> None:
    origins = np.arange(12.0).reshape(4, 3)

    entered = enter(origins)

    nan = np.nan
    expected = [[nan, nan, nan], [0, nan, nan], [3, 1, nan], [6, 4, 2]]
    np.testing.assert_array_equal(entered, expected)


def test_quantiles_agree_with_numpy(residuals) -> None:
    ordered = np.sort(residuals.T, axis=1)
    count = np.isfinite(ordered).sum(axis=1)

    found = sorted_quantiles(ordered, count, LEVELS)

    for column in range(3):
        known = residuals[np.isfinite(residuals[:, column]), column]
        np.testing.assert_allclose(found[column], np.quantile(known, LEVELS, method="weibull"))


def test_tails_are_the_mean_of_their_own_and_of_both(residuals) -> None:
    table = band_table(residuals, np.array([0.0, 0.5, 1.0]))

    for column, weight in enumerate((0.0, 0.5, 1.0)):
        known = residuals[np.isfinite(residuals[:, column]), column]
        own = np.quantile(known, 0.9, method="weibull")
        both = np.quantile(np.abs(known), 0.8, method="weibull")
        assert table[column, 5] == pytest.approx((1 - weight) * own + weight * both)
    assert table[2, 0] == pytest.approx(-table[2, 6])


def test_bands_lie_around_their_point_in_order(residuals) -> None:
    table = band_table(residuals + 5.0, np.zeros(3))  # every residual is positive

    assert (np.diff(table, axis=1) >= 0).all()
    assert (table[:, 3] == 0).all()


def test_few_residuals_give_the_normal_distribution() -> None:
    table = band_table(np.ones((99, 1)), np.zeros(1))

    assert table[0].tolist() == pytest.approx([NormalDist().inv_cdf(q) for q in LEVELS])


def test_bands_cover_what_they_promise_out_of_sample() -> None:
    dice = np.random.default_rng(0)
    past, future = dice.standard_t(4, (4_320, 1)), dice.standard_t(4, 100_000)

    table = band_table(past, np.array([0.5]))[0]

    for low, high, promised in ((0, 6, 0.95), (1, 5, 0.8), (2, 4, 0.5)):
        inside = ((future >= table[low]) & (future <= table[high])).mean()
        assert inside == pytest.approx(promised, abs=0.02)


def test_window_holds_the_newest_rows_only() -> None:
    entered = np.arange(10.0)[:, None]

    assert window(entered, 6, 3).ravel().tolist() == [4, 5, 6]
    assert window(entered, 1, 3).ravel().tolist() == [0, 1]


def test_daily_steps_beyond_ten_are_symmetric() -> None:
    assert tail_symmetry(recipe_for(Interval.H1)).tolist() == [0.5] * 50
    assert tail_symmetry(recipe_for(Interval.D1)).tolist() == [0.5] * 10 + [1.0] * 40


def test_near_steps_forget_sooner() -> None:
    hourly, daily = (residual_windows(recipe_for(one)) for one in (Interval.H1, Interval.D1))
    assert (hourly[:6] == 4_320).all()
    assert (hourly[6:] == 8_640).all()
    assert (daily == 8_640).all()

    entered = np.arange(30.0).reshape(10, 3)
    sizes = np.array([2, 3, 20])
    found = window(entered, 8, sizes)

    np.testing.assert_array_equal(np.isfinite(found).sum(axis=0), [2, 3, 9])
    np.testing.assert_array_equal(found[-2:, 0], entered[7:9, 0])
    np.testing.assert_array_equal(window(entered, 8, 4), entered[5:9])
