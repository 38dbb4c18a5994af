"""Every model x every check: what each estimator of the registry must hold to."""

from collections.abc import Callable

import numpy as np
import pytest

from forecasting.estimators.base import Estimator
from forecasting.features import build_features
from forecasting.predictors import predictor_of
from forecasting.recipe import FITTED_STEPS
from forecasting.registry import REGISTRY, new_estimator
from market.errors import DataError
from support.panels import make_panel

ROWS, COLUMNS = 1_500, 12


def lesson(rows: int = ROWS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features, and targets that hang on the first one."""
    dice = np.random.default_rng(seed)
    features = dice.normal(size=(rows, COLUMNS)).astype(np.float32)
    targets = 0.5 * features[:, :1] + dice.normal(size=(rows, len(FITTED_STEPS)))
    return features, targets


def check_is_deterministic(new: Callable[[], Estimator]) -> None:
    features, targets = lesson()
    one, other = (new().fit(features, targets).predict(features) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def check_leaves_its_inputs_alone(new: Callable[[], Estimator]) -> None:
    features, targets = lesson()
    before = features.copy(), targets.copy()
    estimator = new().fit(features, targets)
    estimator.predict(features)
    estimator.export().predict(features)
    np.testing.assert_array_equal(features, before[0])
    np.testing.assert_array_equal(targets, before[1])


def check_predicts_every_fitted_step(new: Callable[[], Estimator]) -> None:
    features, targets = lesson()
    predictor = new().fit(features, targets).export()
    assert predictor.predict(features[:7]).shape == (7, len(FITTED_STEPS))
    assert predictor.predict(features[:0]).shape == (0, len(FITTED_STEPS))
    assert np.isfinite(predictor.predict(features)).all()


def check_exports_what_it_predicts(new: Callable[[], Estimator]) -> None:
    features, targets = lesson()
    estimator = new().fit(features, targets)
    native = estimator.predict(features)
    np.testing.assert_allclose(estimator.export().predict(features), native, rtol=1e-5, atol=1e-5)


def check_survives_its_arrays(new: Callable[[], Estimator]) -> None:
    features, targets = lesson()
    predictor = new().fit(features, targets).export()
    again = predictor_of(predictor.kind, predictor.arrays())
    np.testing.assert_array_equal(again.predict(features), predictor.predict(features))


def check_sees_each_row_alone(new: Callable[[], Estimator]) -> None:
    features, targets = lesson()
    predictor = new().fit(features, targets).export()
    together = predictor.predict(features)
    np.testing.assert_array_equal(predictor.predict(features[700:701])[0], together[700])


def check_refuses_too_few_rows(new: Callable[[], Estimator]) -> None:
    with pytest.raises(DataError, match="99 rows"):
        new().fit(*lesson(99))


def check_refuses_nan(new: Callable[[], Estimator]) -> None:
    features, targets = lesson()
    targets[3, 1] = np.nan
    with pytest.raises(DataError, match="NaN"):
        new().fit(features, targets)
    features, targets = lesson()
    features[3, 1] = np.inf
    with pytest.raises(DataError, match="NaN or infinity"):
        new().fit(features, targets)


def check_refuses_other_steps(new: Callable[[], Estimator]) -> None:
    features, targets = lesson()
    with pytest.raises(DataError, match="shape"):
        new().fit(features, targets[:, :2])


def check_bears_constant_columns(new: Callable[[], Estimator]) -> None:
    features, targets = lesson()
    features[:, 2:] = 1.0
    estimator = new().fit(features, np.zeros_like(targets))
    assert np.abs(estimator.export().predict(features)).max() < 0.2


def check_can_be_fitted_again(new: Callable[[], Estimator]) -> None:
    estimator = new().fit(*lesson(seed=1))
    features, targets = lesson()
    again = estimator.fit(features, targets).predict(features)
    np.testing.assert_array_equal(again, new().fit(features, targets).predict(features))


def check_is_not_moved_by_one_crash(new: Callable[[], Estimator]) -> None:
    features, targets = lesson()
    crashed = targets.copy()
    crashed[10] = -1e6
    calm = new().fit(features, targets).predict(features)
    moved = new().fit(features, crashed).predict(features)
    assert np.abs(moved - calm).mean() < 0.3


CHECKS = [value for name, value in dict(globals()).items() if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("model", REGISTRY)
def test_model_holds_to(model: str, check: Callable[[Callable[[], Estimator]], None]) -> None:
    check(lambda: new_estimator(model))


#: They look at nothing, or at the calendar alone.
BLIND = ("random_walk", "drift", "seasonal")


@pytest.mark.parametrize("model", [model for model in REGISTRY if model not in BLIND])
def test_model_learns_what_is_there(model: str) -> None:
    estimator = new_estimator(model).fit(*lesson(8_000))
    features, targets = lesson(2_000, seed=1)

    predicted = estimator.predict(features)

    assert ((targets - predicted) ** 2).mean() < 0.95 * (targets**2).mean()


def test_drift_expects_the_mean() -> None:
    features, targets = lesson()
    targets = np.clip(targets + [0.1, 0.2, 0.3, 0.4], -5, 5)

    predicted = new_estimator("drift").fit(features, targets).predict(features[:2])

    np.testing.assert_allclose(predicted, np.tile(targets.mean(axis=0), (2, 1)))


def test_seasonal_expects_what_its_hour_brought() -> None:
    # Features as they are built for a real panel, and an hour of the week that always rises.
    features = build_features(make_panel(6_000)).copy()
    hours = np.arange(6_000) % 168
    targets = np.tile(np.where(hours == 30, 1.0, 0.0)[:, None], (1, len(FITTED_STEPS)))

    estimator = new_estimator("seasonal").fit(features[168:], targets[168:])
    predicted = estimator.predict(features[:168])[:, 0]

    assert predicted.argmax() == 30
    assert predicted[30] > 0.2
    assert np.delete(predicted, 30).max() < 0.02


def test_the_ensemble_trusts_who_was_right() -> None:
    features, targets = lesson(4_000)

    blend = new_estimator("ensemble").fit(features, targets).export()

    ridge, mlp = blend.weights[2:, 0]
    assert ridge + mlp > 0.8
    assert ((blend.weights >= 0) & (blend.weights <= 1)).all()


def test_an_ensemble_of_noise_expects_little() -> None:
    features, _ = lesson(4_000)
    targets = np.random.default_rng(9).normal(size=(4_000, len(FITTED_STEPS)))

    predicted = new_estimator("ensemble").fit(features, targets).predict(lesson(500, seed=2)[0])

    assert np.sqrt((predicted**2).mean()) < 0.05


def test_a_blend_of_blends_is_refused() -> None:
    arrays = {"weights": np.ones((1, 4)), "kinds": np.array(["blend"])}

    with pytest.raises(DataError, match="blend held a blend"):
        predictor_of("blend", arrays)


def test_native_xgboost_files_hold_the_exported_trees() -> None:
    import xgboost

    features, targets = lesson()
    estimator = new_estimator("xgboost").fit(features, targets)
    exported = estimator.export().predict(features)

    for column, file in enumerate(estimator.native_files().values()):
        booster = xgboost.Booster(model_file=bytearray(file))
        np.testing.assert_allclose(
            booster.inplace_predict(features), exported[:, column], rtol=1e-5, atol=1e-5
        )
