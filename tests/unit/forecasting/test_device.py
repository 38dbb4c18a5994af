"""Growing trees on a GPU: asked for by name, and proved before a worker starts.

The tests run where there is no GPU. xgboost then says that it was asked for one and goes on with
the CPU, which proves that the request arrived.
"""

import subprocess
import sys

import numpy as np
import pytest

from forecasting.estimators.xgboost import check_device
from forecasting.evaluation import Evaluation
from forecasting.interruption import go_on
from forecasting.recipe import FITTED_STEPS
from forecasting.registry import REGISTRY, new_estimator
from support.panels import make_panel, small_dataset

_NO_GPU = "Device is changed from GPU to CPU"


@pytest.fixture
def lesson() -> tuple[np.ndarray, np.ndarray]:
    dice = np.random.default_rng(0)
    features = dice.normal(size=(200, 3)).astype(np.float32)
    return features, dice.normal(size=(200, len(FITTED_STEPS)))


def test_the_estimator_asks_xgboost_for_the_gpu(lesson) -> None:
    with pytest.warns(UserWarning, match=_NO_GPU):
        new_estimator("xgboost", "gpu").fit(*lesson)


def test_the_walk_forward_passes_the_device_on() -> None:
    evaluation = Evaluation(small_dataset(make_panel(2_600)), (1,), "gpu")

    with pytest.warns(UserWarning, match=_NO_GPU):
        list(evaluation.iter_models(["xgboost"], go_on))


@pytest.mark.parametrize("model", REGISTRY)
def test_the_cpu_is_the_default(model, lesson) -> None:
    new_estimator(model).fit(*lesson)  # warnings are errors


@pytest.mark.parametrize("model", [model for model in REGISTRY if model != "xgboost"])
def test_other_models_are_fitted_as_ever(model, lesson) -> None:
    new_estimator(model, "gpu").fit(*lesson)


def test_the_cpu_is_not_looked_for() -> None:
    check_device("cpu")
    script = "import sys, forecasting.estimators.xgboost as own; own.check_device('cpu');"
    script += "sys.exit('xgboost' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
