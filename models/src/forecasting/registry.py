"""The models: one line each. Importing this loads no training library."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, NamedTuple

from market.errors import InvalidParameter

if TYPE_CHECKING:
    from forecasting.estimators.base import Estimator

#: Where models are fitted. Only boosted trees can use a GPU.
Device = Literal["cpu", "gpu"]


class Entry(NamedTuple):
    """A model: the module and the name of the class that fits it, and whether a GPU may."""

    module: str
    name: str
    takes_device: bool = False


#: Every model by its id, the cheapest first: a training publishes them in this order.
REGISTRY: dict[str, Entry] = {
    "random_walk": Entry("forecasting.estimators.random_walk", "RandomWalk"),
    "drift": Entry("forecasting.estimators.drift", "Drift"),
    "seasonal": Entry("forecasting.estimators.seasonal", "Seasonal"),
    "ridge": Entry("forecasting.estimators.ridge", "Ridge"),
    "xgboost": Entry("forecasting.estimators.xgboost", "Xgboost", takes_device=True),
    "mlp": Entry("forecasting.estimators.mlp", "Mlp"),
    "ensemble": Entry("forecasting.estimators.ensemble", "Ensemble"),
}
#: The model that is always there, and serves until another one is proved better.
BASELINE = "random_walk"
#: The naive forecasts every evaluation holds beside the models; they are never published.
YARDSTICKS = ("random_walk_constant", "random_walk_ewma")


def check_models(models: list[str] | None) -> list[str]:
    """Return the models asked for, in the registry's order; `None` means all.

    Raises:
        InvalidParameter: one of them is not registered, or none is named.
    """
    wanted = list(REGISTRY) if models is None else models
    unknown = [model for model in wanted if model not in REGISTRY]
    if unknown or not wanted:
        raise InvalidParameter(
            "models", unknown[0] if unknown else wanted, "one or more of " + " ".join(REGISTRY)
        )
    return [model for model in REGISTRY if model in wanted]


def new_estimator(model: str, device: Device = "cpu") -> Estimator:
    """Return an unfitted estimator; this imports the library it needs."""
    entry = REGISTRY[model]
    kind = getattr(import_module(entry.module), entry.name)
    estimator: Estimator = kind(device) if entry.takes_device else kind()
    return estimator
