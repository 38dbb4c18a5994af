"""Fitted mean models as plain numpy arrays: what a bundle holds and serving evaluates.

No training library is needed here. Each predictor maps features (n, k) float32 to the expected
standardised return at the fitted steps, (n, steps) float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from forecasting.profile import HOURS_A_WEEK
from forecasting.recipe import FITTED_STEPS
from market.errors import DataError

Features = NDArray[np.float32]
Matrix = NDArray[np.float64]
Arrays = dict[str, NDArray[np.generic]]

#: Rows a forest evaluates at once, to bound its memory.
_FOREST_ROWS = 512


class Predictor(Protocol):
    """A fitted mean model in its portable form."""

    kind: ClassVar[str]

    def predict(self, features: Features) -> Matrix:
        """Return the expected standardised return at the fitted steps: (n, steps)."""
        ...

    def arrays(self) -> Arrays:
        """Return everything `predictor_of` needs to build this predictor again."""
        ...


@dataclass(frozen=True, slots=True)
class Zero:
    """The random walk: nothing is expected."""

    kind: ClassVar[str] = "zero"

    def predict(self, features: Features) -> Matrix:
        """Return zeros."""
        return np.zeros((len(features), len(FITTED_STEPS)))

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class Network:
    """A feed-forward network with ReLU between layers; with one layer, a linear model.

    `mean`, `deviation`: (k,) standardise the features; `weights` and `biases` by layer.
    """

    mean: Matrix
    deviation: Matrix
    weights: tuple[Matrix, ...]
    biases: tuple[Matrix, ...]
    kind: ClassVar[str] = "network"

    def predict(self, features: Features) -> Matrix:
        """Return the forward pass."""
        layer = (features.astype(np.float64) - self.mean) / self.deviation
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if depth:
                layer = np.maximum(layer, 0.0)
            # einsum, not BLAS: a row's result must not depend on how many rows there are.
            layer = np.einsum("ij,jk->ik", layer, weight) + bias
        return layer

    def arrays(self) -> Arrays:
        """Return scaler and layers."""
        layers: Arrays = {"mean": self.mean, "deviation": self.deviation}
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            layers[f"weight_{depth}"] = weight
            layers[f"bias_{depth}"] = bias
        return layers


@dataclass(frozen=True, slots=True)
class Forest:
    """Boosted trees as flat arrays of nodes; a leaf is its own child.

    `feature`, `threshold`, `left`, `right`, `missing_left`, `value`: one entry a node.
    `roots`: (steps, trees) first nodes; `base`: (steps,) what the leaves are added to.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float32]
    roots: NDArray[np.int32]
    base: Matrix
    kind: ClassVar[str] = "forest"

    def predict(self, features: Features) -> Matrix:
        """Return the sums of the leaves that the rows fall into."""
        parts = [
            self._predict_part(features[first : first + _FOREST_ROWS])
            for first in range(0, len(features), _FOREST_ROWS)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.base)))

    def _predict_part(self, features: Features) -> Matrix:
        rows = np.arange(len(features))[:, None]
        node = np.broadcast_to(self.roots.ravel(), (len(features), self.roots.size))
        while True:
            value = features[rows, self.feature[node]]
            goes_left = np.where(
                np.isnan(value), self.missing_left[node], value < self.threshold[node]
            )
            below = np.where(goes_left, self.left[node], self.right[node])
            if np.array_equal(below, node):
                break
            node = below
        leaves = self.value[node].astype(np.float64)
        return np.asarray(leaves.reshape(len(features), *self.roots.shape).sum(axis=2) + self.base)

    def arrays(self) -> Arrays:
        """Return the nodes."""
        names = ("feature", "threshold", "left", "right", "missing_left", "value", "roots", "base")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Calendar:
    """An expectation for each hour of the week: `table` is (168, steps).

    The hour is read back from the last two features, the sine and cosine of the week's angle.
    """

    table: Matrix
    kind: ClassVar[str] = "calendar"

    def predict(self, features: Features) -> Matrix:
        """Return the expectation of each row's hour."""
        return self.table[self.slots(features)]

    @staticmethod
    def slots(features: Features) -> NDArray[np.intp]:
        """Return the hour of the week of each row, 0..167, counted from the epoch's Thursday."""
        angle = np.arctan2(features[:, -2].astype(np.float64), features[:, -1].astype(np.float64))
        # A hair is added: an hour's own beginning must not be rounded into the hour before.
        return np.floor(angle / (2 * np.pi) * HOURS_A_WEEK + 1e-3).astype(np.intp) % HOURS_A_WEEK

    def arrays(self) -> Arrays:
        """Return the table."""
        return {"table": self.table}


@dataclass(frozen=True, slots=True)
class Blend:
    """A weighted sum of predictors: `weights` is (members, steps)."""

    members: tuple[Predictor, ...]
    weights: Matrix
    kind: ClassVar[str] = "blend"

    def predict(self, features: Features) -> Matrix:
        """Return the weighted sum, in the members' order."""
        total = np.zeros((len(features), self.weights.shape[1]))
        for member, weight in zip(self.members, self.weights, strict=True):
            total += weight * member.predict(features)
        return total

    def arrays(self) -> Arrays:
        """Return the weights, and every member's kind and arrays below its number."""
        arrays: Arrays = {
            "weights": self.weights,
            "kinds": np.array([member.kind for member in self.members]),
        }
        for place, member in enumerate(self.members):
            arrays |= {f"{place}/{name}": array for name, array in member.arrays().items()}
        return arrays


def predictor_of(kind: str, arrays: Mapping[str, NDArray[np.generic]]) -> Predictor:
    """Build a predictor from what its `arrays` gave.

    Raises:
        DataError: the kind is unknown or an array is missing.
    """
    try:
        if kind == Zero.kind:
            return Zero()
        if kind == Network.kind:
            depth = sum(name.startswith("weight_") for name in arrays)
            return Network(
                arrays["mean"].astype(np.float64),
                arrays["deviation"].astype(np.float64),
                tuple(arrays[f"weight_{layer}"].astype(np.float64) for layer in range(depth)),
                tuple(arrays[f"bias_{layer}"].astype(np.float64) for layer in range(depth)),
            )
        if kind == Forest.kind:
            return Forest(**dict(arrays))  # type: ignore[arg-type]  # dtypes are in the arrays
        if kind == Calendar.kind:
            return Calendar(arrays["table"].astype(np.float64))
        if kind == Blend.kind:
            return _blend_of(arrays)
    except (KeyError, TypeError) as error:
        raise DataError(f"a predictor of kind {kind!r} lacks an array: {error}") from error
    raise DataError(f"predictor kind was {kind!r}; this version knows {KINDS}")


def _blend_of(arrays: Mapping[str, NDArray[np.generic]]) -> Blend:
    members = []
    for place, kind in enumerate(arrays["kinds"]):
        prefix = f"{place}/"
        own = {
            name.removeprefix(prefix): array
            for name, array in arrays.items()
            if name.startswith(prefix)
        }
        if str(kind) == Blend.kind:
            raise DataError("a blend held a blend; expected single predictors")
        members.append(predictor_of(str(kind), own))
    return Blend(tuple(members), arrays["weights"].astype(np.float64))


KINDS = " ".join(kind.kind for kind in (Zero, Network, Forest, Calendar, Blend))
