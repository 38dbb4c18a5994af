"""Gradient-boosted trees: one booster a fitted step, one thread.

One output a booster because converters of multi-output boosters are known to be silently
wrong, and one thread because barriers between threads cost more than they bring on a busy
machine (a 14-fold slow-down was measured).
"""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import orjson

from forecasting.estimators.base import check_training
from forecasting.predictors import Features, Forest, Matrix, Predictor
from forecasting.recipe import FITTED_STEPS
from forecasting.registry import Device
from market.errors import Conflict, SettingsError

_ROUNDS = 100
_PARAMETERS: dict[str, Any] = {
    "objective": "reg:squarederror",
    "tree_method": "hist",
    "max_depth": 4,
    "max_bin": 64,
    "eta": 0.03,
    "subsample": 0.5,
    "colsample_bytree": 0.5,
    "min_child_weight": 200,
    "lambda": 10.0,
    "nthread": 1,
    "seed": 0,
}
_DEVICES: dict[Device, str] = {"cpu": "cpu", "gpu": "cuda"}


class Xgboost:
    """Boosted trees on histograms.

    Args:
        device: where they are grown. They predict on the CPU wherever they come from.
    """

    def __init__(self, device: Device = "cpu") -> None:
        self._parameters = {**_PARAMETERS, "device": _DEVICES[device]}

    def fit(self, features: Features, targets: Matrix) -> Self:
        """Grow 100 small trees for each fitted step."""
        clipped = check_training(features, targets)
        xgboost = _load_library()
        matrix = xgboost.QuantileDMatrix(features, label=clipped[:, 0], max_bin=64, nthread=1)
        self._boosters = []
        for column in range(len(FITTED_STEPS)):
            matrix.set_label(np.ascontiguousarray(clipped[:, column]))
            booster = xgboost.train(self._parameters, matrix, _ROUNDS)
            booster.set_param({"device": "cpu"})
            self._boosters.append(booster)
        return self

    def predict(self, features: Features) -> Matrix:
        """Return xgboost's prediction."""
        columns = [booster.inplace_predict(features) for booster in self._boosters]
        return np.column_stack(columns).astype(np.float64)

    def export(self) -> Predictor:
        """Return the trees as flat arrays."""
        return forest_of([booster.save_raw("json") for booster in self._boosters])

    def native_files(self) -> dict[str, bytes]:
        """Return xgboost's UBJSON, one file a fitted step."""
        return {
            f"step_{step:02d}.ubj": bytes(booster.save_raw("ubj"))
            for step, booster in zip(FITTED_STEPS, self._boosters, strict=True)
        }


def check_device(device: Device) -> None:
    """Make sure that boosters can be grown on a device; the CPU is always there.

    Raises:
        SettingsError: a GPU is asked for, and the xgboost installed can't use one or finds none.
        Conflict: xgboost is not installed.
    """
    if device == "cpu":
        return
    xgboost = _load_library()
    if not xgboost.build_info().get("USE_CUDA"):
        raise SettingsError(
            "MODELS_DEVICE",
            device,
            "cpu, as the xgboost installed has no CUDA; klinecast-models[gpu] installs the one"
            " that has",
        )
    if not _finds_gpu(xgboost):
        raise SettingsError("MODELS_DEVICE", device, "cpu, as xgboost finds no GPU here")


def _load_library() -> Any:
    try:
        import xgboost
    except ModuleNotFoundError:
        raise Conflict(
            "xgboost is not installed",
            hint="Install klinecast-models[cpu], or klinecast-models[gpu] for NVIDIA GPUs.",
        ) from None
    return xgboost


def _finds_gpu(xgboost: Any) -> bool:
    # Without a GPU xgboost only warns, and goes on with the CPU: its booster says where it was.
    matrix = xgboost.DMatrix(np.zeros((2, 1), dtype=np.float32), label=[0.0, 1.0], nthread=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        booster = xgboost.train({"device": "cuda", "nthread": 1, "verbosity": 0}, matrix, 1)
    used = orjson.loads(booster.save_config())["learner"]["generic_param"]["device"]
    return bool(used.startswith("cuda"))


def forest_of(boosters: list[bytearray]) -> Forest:
    """Flatten boosters given in xgboost's JSON.

    Source: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
    """
    nodes: dict[str, list[Any]] = {
        "feature": [], "threshold": [], "left": [], "right": [], "missing_left": [], "value": []
    }  # fmt: skip
    roots: list[list[int]] = []
    base: list[float] = []
    for raw in boosters:
        learner = orjson.loads(bytes(raw))["learner"]
        base.append(float(learner["learner_model_param"]["base_score"].strip("[]")))
        trees = learner["gradient_booster"]["model"]["trees"]
        roots.append([_append_tree(nodes, tree) for tree in trees])
    return Forest(
        np.array(nodes["feature"], dtype=np.int32),
        np.array(nodes["threshold"], dtype=np.float32),
        np.array(nodes["left"], dtype=np.int32),
        np.array(nodes["right"], dtype=np.int32),
        np.array(nodes["missing_left"], dtype=np.bool_),
        np.array(nodes["value"], dtype=np.float32),
        np.array(roots, dtype=np.int32),
        np.array(base, dtype=np.float64),
    )


def _append_tree(nodes: dict[str, list[Any]], tree: dict[str, Any]) -> int:
    first = len(nodes["left"])
    for index, (left, right) in enumerate(
        zip(tree["left_children"], tree["right_children"], strict=True)
    ):
        is_leaf = left == -1
        nodes["left"].append(first + (index if is_leaf else left))
        nodes["right"].append(first + (index if is_leaf else right))
        nodes["feature"].append(0 if is_leaf else tree["split_indices"][index])
        # xgboost keeps a leaf's value where an inner node has its threshold.
        condition = tree["split_conditions"][index]
        nodes["threshold"].append(0.0 if is_leaf else condition)
        nodes["value"].append(condition if is_leaf else 0.0)
        nodes["missing_left"].append(bool(tree["default_left"][index]))
    return first
