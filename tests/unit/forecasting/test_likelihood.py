import numpy as np
import pytest
from scipy.optimize import minimize

from forecasting.likelihood import design_of, fit_laplace, mean_of_fits, solve

ROWS, WIDTH, STEPS = 1_200, 3, 12


@pytest.fixture(scope="module")
def problem():
    """Return a design, and returns whose log sigma hangs on the regressors."""
    dice = np.random.default_rng(1)
    base, ahead = dice.normal(size=(ROWS, WIDTH)), dice.normal(size=(ROWS, STEPS))
    log_sigma = -4 + base @ [0.5, -0.3, 0.0] + 0.2 * ahead.T
    labels = np.exp(log_sigma.T) * dice.laplace(size=(ROWS, STEPS))
    return design_of(base, ahead), labels * np.sqrt(np.arange(1, STEPS + 1))


def test_every_step_solves_its_own_least_squares(problem) -> None:
    # One pass of normal equations for all steps must give what separate solvers do.
    design, labels = problem
    target = np.log(labels**2)
    beta = solve(design, target)
    for column in (0, 5, 11):
        own = np.column_stack([design.shared, design.ahead[:, column]])
        penalty = np.sqrt(1e-3 * ROWS) * np.eye(own.shape[1])
        penalty[0, 0] = 0
        right = np.concatenate([target[:, column], np.zeros(len(penalty))])
        expected, *_ = np.linalg.lstsq(np.vstack([own, penalty]), right)
        np.testing.assert_allclose(beta[column], expected, rtol=1e-6, atol=1e-8)


def test_laplace_fit_is_where_a_general_optimiser_ends(problem) -> None:
    design, labels = problem
    size = np.abs(labels) / np.sqrt(np.arange(1, STEPS + 1))
    found = fit_laplace(design, size, np.zeros((STEPS, WIDTH + 2)))
    settled = fit_laplace(design, size, fit_laplace(design, size, found))
    column = 3
    own = np.column_stack([design.shared, design.ahead[:, column]])

    def loss(beta: np.ndarray) -> float:
        log_sigma = own @ beta
        likelihood = (log_sigma + size[:, column] * np.exp(-log_sigma)).sum()
        return float(likelihood + (design.penalty * beta**2).sum() / 2)

    expected = minimize(loss, found[column] + 0.05, method="BFGS").x
    np.testing.assert_allclose(found[column], expected, atol=0.01)
    np.testing.assert_allclose(settled[column], expected, atol=1e-4)


def test_a_missing_return_is_left_out(problem) -> None:
    design, labels = problem
    holed = np.abs(labels)
    holed[::7] = np.nan
    kept = np.ones(ROWS, dtype=bool)
    kept[::7] = False
    start = np.zeros((STEPS, WIDTH + 2))

    found = fit_laplace(design, holed, start)

    # The penalty and the curvature count all rows; the ends agree where the data decide.
    part = design_of(design.shared[kept, 1:], design.ahead[kept])
    np.testing.assert_allclose(found, fit_laplace(part, holed[kept], start), atol=0.02)


def test_the_mean_of_fits_keeps_the_level_of_least_squares(problem) -> None:
    design, labels = problem
    beta = solve(design, np.log(labels**2))

    mean = mean_of_fits(design, beta, labels)

    np.testing.assert_allclose(
        design.predict(mean).mean(axis=0), design.predict(beta).mean(axis=0), atol=1e-9
    )
    # Log sigma moves by .5 with the first regressor, log variance by twice that.
    assert mean[:, 1] == pytest.approx(np.full(STEPS, 1.0), abs=0.15)


def test_one_crash_moves_the_fit_little(problem) -> None:
    design, labels = problem
    crashed = labels.copy()
    crashed[10] *= 1e6
    start = np.zeros((STEPS, WIDTH + 2))

    calm, moved = (fit_laplace(design, np.abs(one), start) for one in (labels, crashed))

    assert np.abs(moved - calm)[:, 1:].max() < 0.2
