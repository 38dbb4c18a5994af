import numpy as np
import pandas as pd
import pytest

from forecasting.rolling import ewma, trailing_max, trailing_mean, trailing_sum


@pytest.fixture
def values():
    series = np.random.default_rng(1).normal(size=300)
    series[[0, 7, 8, 9, 100]] = np.nan
    return series


@pytest.mark.parametrize("span", [1, 2, 24, 500])
def test_trailing_statistics_agree_with_pandas(values, span) -> None:
    rolling = pd.Series(values).rolling(span, min_periods=1)

    np.testing.assert_allclose(trailing_mean(values, span), rolling.mean(), atol=1e-12)
    known = trailing_max(values, span)
    np.testing.assert_allclose(np.where(np.isinf(known), np.nan, known), rolling.max())
    total = rolling.sum().fillna(0.0)
    np.testing.assert_allclose(trailing_sum(values, span), total, atol=1e-12)


def test_ewma_halves_a_weight_after_its_half_life() -> None:
    values = np.array([1.0, 0.0, 0.0])

    assert ewma(values, 1.0).tolist() == pytest.approx([1, 0.5 / 1.5, 0.25 / 1.75])


def test_ewma_steps_over_what_is_missing() -> None:
    whole, holed = ewma(np.array([1.0, 3.0]), 2.0), ewma(np.array([1.0, np.nan, 3.0]), 2.0)

    assert holed[-1] == pytest.approx(whole[-1])
