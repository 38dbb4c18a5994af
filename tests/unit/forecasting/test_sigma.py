import numpy as np
import pytest

from forecasting.dataset import build_dataset
from forecasting.sigma import fit_sigma, garman_klass, predict_sigma, sigma_inputs
from forecasting.windows import train_rows
from market.interval import Interval
from support.panels import change_after, make_panel, small_dataset

ROWS = 2_500


@pytest.fixture(scope="module")
def dataset():
    return small_dataset(make_panel(ROWS, missing=tuple(range(700, 730))))


@pytest.fixture(scope="module")
def fitted(dataset):
    return fit_sigma(
        dataset.inputs, dataset.labels, train_rows(ROWS, dataset.recipe), dataset.recipe
    )


def test_garman_klass_agrees_with_its_formula() -> None:
    panel = make_panel(50)
    high, low = np.log(panel.high / panel.open), np.log(panel.low / panel.open)
    close = np.log(panel.close / panel.open)

    expected = 0.5 * (high - low) ** 2 - (2 * np.log(2) - 1) * close**2

    np.testing.assert_allclose(garman_klass(panel), np.maximum(expected, 0) + 1e-10)


def test_sigma_is_the_deviation_of_the_returns_it_was_fitted_to(dataset, fitted) -> None:
    rows = np.arange(*train_rows(ROWS, dataset.recipe).indices(ROWS))

    standard = dataset.labels[rows] / predict_sigma(fitted, dataset.inputs, rows)

    assert fitted.method == "log_har"
    np.testing.assert_allclose(np.sqrt(np.nanmean(standard**2, axis=0)), 1.0, atol=0.02)


def test_sigma_foresees_the_waves_of_volatility(dataset, fitted) -> None:
    rows = np.arange(1_900, ROWS - 50)
    sigma = predict_sigma(fitted, dataset.inputs, rows)

    for step in (1, 6, 24):
        realised = np.abs(dataset.labels[rows, step - 1])
        assert np.corrcoef(np.log(sigma[:, step - 1]), realised)[0, 1] > 0.2


def test_sigma_does_not_know_what_comes_after(dataset) -> None:
    cutoff = 2_000
    changed = small_dataset(change_after(dataset.panel, cutoff))
    rows = train_rows(cutoff + 1, dataset.recipe)
    row = np.array([cutoff])

    before = fit_sigma(dataset.inputs, dataset.labels, rows, dataset.recipe)
    after = fit_sigma(changed.inputs, changed.labels, rows, dataset.recipe)

    np.testing.assert_array_equal(
        predict_sigma(after, changed.inputs, row), predict_sigma(before, dataset.inputs, row)
    )


def test_a_row_has_the_same_sigma_alone_and_among_others(dataset, fitted) -> None:
    rows = np.arange(900, 1_300)

    together = predict_sigma(fitted, dataset.inputs, rows)
    alone = predict_sigma(fitted, dataset.inputs, rows[[250]])

    np.testing.assert_array_equal(alone[0], together[250])


def test_short_history_falls_back_to_ewma(dataset) -> None:
    fitted = fit_sigma(dataset.inputs, dataset.labels, slice(168, 400), dataset.recipe)

    sigma = predict_sigma(fitted, dataset.inputs, np.array([400]))[0]

    assert fitted.method == "ewma"
    np.testing.assert_allclose(sigma**2, dataset.inputs.fast[400] * np.arange(1, 51))


def test_daily_steps_beyond_ten_follow_the_slow_ewma() -> None:
    dataset = build_dataset(make_panel(900, interval=Interval.D1))
    fitted = fit_sigma(
        dataset.inputs, dataset.labels, train_rows(900, dataset.recipe), dataset.recipe
    )

    sigma = predict_sigma(fitted, dataset.inputs, np.array([899]))[0]

    assert fitted.method == "log_har"
    assert len(fitted.beta) == 10
    bars = np.arange(11, 51)
    expected = np.sqrt(dataset.inputs.slow[899] * bars) * fitted.scale[10:]
    np.testing.assert_allclose(sigma[10:], expected)


def test_constant_prices_have_a_sigma() -> None:
    panel = make_panel(600)
    flat = {n: np.full(600, 5.0) for n in ("open", "high", "low", "close")}
    still = type(panel)(**{**{s: getattr(panel, s) for s in panel.__slots__}, **flat})
    dataset = small_dataset(still)

    fitted = fit_sigma(
        dataset.inputs, dataset.labels, train_rows(600, dataset.recipe), dataset.recipe
    )

    assert (predict_sigma(fitted, dataset.inputs, np.arange(500, 600)) > 0).all()
    assert sigma_inputs(still, dataset.recipe).shared.shape == dataset.inputs.shared.shape
