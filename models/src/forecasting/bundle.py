"""The bundle: a fitted model as one zip of JSON and plain arrays, named by its content.

Nothing in it runs when it is read. `spec.json` says what it is; `sigma/`, `predictor/` and
`track/` hold arrays (.npy, never pickled); `native/` the training library's own files;
`reference/` inputs and the outputs the training library gave for them. A bundle whose
arrays do not reproduce those outputs is not published, and not loaded.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from forecasting.conformal import Matrix
from forecasting.features import FEATURE_NAMES, FEATURE_VERSION
from forecasting.predictors import Features, Predictor, predictor_of
from forecasting.sigma import Method, Sigma
from forecasting.track import Track
from market.errors import ChecksumMismatch, DataError
from market.forecast import Shape

FORMAT = 1
#: Largest relative difference to the training library's output that is accepted.
PARITY = 1e-5
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAX_BYTES = 64 * 1024 * 1024


class Spec(Shape):
    """What a bundle says of itself.

    `trained_to_ms` is the open time of the newest kline the fit knew, `training_rows` the
    rows it could learn from.
    """

    format: int = FORMAT
    model: str
    symbol: str
    interval: str
    predictor: str
    sigma: Method
    feature_version: str = FEATURE_VERSION
    features: tuple[str, ...] = FEATURE_NAMES
    trained_from_ms: int
    trained_to_ms: int
    training_rows: int


class Bundle(NamedTuple):
    """A fitted model. `weights`: (50,), what its mean is multiplied by, 0 where the gate shut."""

    spec: Spec
    predictor: Predictor
    sigma: Sigma
    weights: NDArray[np.float64]
    track: Track


class Reference(NamedTuple):
    """Inputs, and what the training library makes of them."""

    features: Features
    outputs: Matrix


Files = Mapping[str, bytes]
Arrays = Mapping[str, NDArray[np.generic]]


def pack_bundle(
    bundle: Bundle, reference: Reference, native: Files | None = None
) -> tuple[str, bytes]:
    """Return a bundle's version and bytes; the same content gives the same bytes.

    Raises:
        DataError: the arrays do not reproduce the reference outputs.
    """
    track = bundle.track
    arrays: dict[str, NDArray[np.generic]] = {
        "weights": bundle.weights,
        "track/pool": track.pool.astype(np.float32),
        "track/sigma": track.sigma,
        "track/centre": track.centre,
        "reference/features": reference.features,
        "reference/outputs": reference.outputs,
    }
    arrays |= {f"sigma/{name}": getattr(bundle.sigma, name) for name in Sigma.ARRAYS}
    arrays |= {f"predictor/{name}": array for name, array in bundle.predictor.arrays().items()}
    files = {"spec.json": orjson.dumps(bundle.spec.model_dump(), option=orjson.OPT_SORT_KEYS)}
    files |= {f"{name}.npy": _array_bytes(array) for name, array in arrays.items()}
    files |= {f"native/{name}": content for name, content in (native or {}).items()}
    content = _zip(files)
    version = f"{bundle.spec.model}-{hashlib.sha256(content).hexdigest()[:12]}"
    unpack_bundle(version, content)
    return version, content


def unpack_bundle(version: str, content: bytes) -> Bundle:
    """Return the bundle in those bytes.

    Raises:
        ChecksumMismatch: the bytes are not those the version names.
        DataError: they are not a bundle of this format, or do not reproduce the reference.
    """
    digest = hashlib.sha256(content).hexdigest()[:12]
    if not version.endswith(f"-{digest}"):
        raise ChecksumMismatch(f"artefact {version} was changed: its bytes hash to {digest}")
    files = _unzip(version, content)
    try:
        spec = Spec.model_validate_json(files["spec.json"])
        arrays = {
            name.removesuffix(".npy"): np.load(io.BytesIO(file), allow_pickle=False)
            for name, file in files.items()
            if name.endswith(".npy")
        }
        _check_spec(version, spec)
        sigma = Sigma(spec.sigma, **{name: arrays[f"sigma/{name}"] for name in Sigma.ARRAYS})
        predictor = predictor_of(spec.predictor, _below("predictor/", arrays))
        track = Track(
            arrays["track/pool"].astype(np.float64), arrays["track/sigma"], arrays["track/centre"]
        )
        reference = Reference(arrays["reference/features"], arrays["reference/outputs"])
        bundle = Bundle(spec, predictor, sigma, arrays["weights"], track)
    except (KeyError, ValueError, ValidationError) as error:
        raise DataError(f"artefact {version} is not a bundle of this version: {error}") from error
    _check_parity(version, predictor, reference)
    return bundle


def _check_spec(version: str, spec: Spec) -> None:
    if spec.format != FORMAT or spec.feature_version != FEATURE_VERSION:
        raise DataError(
            f"artefact {version} has format {spec.format} and features {spec.feature_version};"
            f" expected {FORMAT} and {FEATURE_VERSION}",
            hint="Train the series again with this version.",
        )


def _check_parity(version: str, predictor: Predictor, reference: Reference) -> None:
    found = predictor.predict(reference.features)
    if found.shape != reference.outputs.shape or not np.allclose(
        found, reference.outputs, rtol=PARITY, atol=PARITY
    ):
        raise DataError(f"artefact {version} does not reproduce its reference outputs")


def _below(prefix: str, arrays: Arrays) -> dict[str, NDArray[np.generic]]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _array_bytes(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _zip(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(member, files[name])
    return buffer.getvalue()


def _unzip(version: str, content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as zipped:
            size = sum(member.file_size for member in zipped.infolist())
            if size > _MAX_BYTES:
                raise DataError(f"artefact {version} unpacks to {size} bytes; refused")
            return {name: zipped.read(name) for name in zipped.namelist()}
    except zipfile.BadZipFile as error:
        raise DataError(f"artefact {version} is not a zip file") from error
