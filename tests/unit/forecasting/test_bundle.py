import io
import zipfile
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from forecasting.bundle import pack_bundle, unpack_bundle
from forecasting.registry import REGISTRY
from market.errors import ChecksumMismatch, DataError
from support.panels import make_bundle, make_panel, make_reference, small_dataset


@pytest.fixture(scope="module")
def dataset():
    return small_dataset(make_panel(1_200))


@pytest.fixture(scope="module", params=REGISTRY)
def bundle(request, dataset):
    return make_bundle(dataset, request.param)


def test_a_bundle_comes_back_as_it_went(dataset, bundle) -> None:
    version, content = pack_bundle(bundle, make_reference(dataset, bundle), {"a.ubj": b"x"})

    again = unpack_bundle(version, content)

    assert version.startswith(bundle.spec.model + "-")
    assert again.spec == bundle.spec
    rows = dataset.features[300:500]
    np.testing.assert_array_equal(again.predictor.predict(rows), bundle.predictor.predict(rows))
    np.testing.assert_array_equal(again.sigma.beta, bundle.sigma.beta)
    np.testing.assert_allclose(again.track.pool, bundle.track.pool, rtol=1e-6)


def test_the_same_content_gives_the_same_version(dataset, bundle) -> None:
    reference = make_reference(dataset, bundle)

    assert pack_bundle(bundle, reference) == pack_bundle(bundle, reference)
    assert pack_bundle(bundle, reference)[0] != pack_bundle(bundle, reference, {"a": b""})[0]


def test_a_bundle_holds_no_pickle(dataset, bundle) -> None:
    _, content = pack_bundle(bundle, make_reference(dataset, bundle))

    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        for name in zipped.namelist():
            assert name.endswith((".json", ".npy"))
            if name.endswith(".npy"):
                np.load(io.BytesIO(zipped.read(name)), allow_pickle=False)


def test_a_changed_bundle_is_refused(dataset, bundle) -> None:
    version, content = pack_bundle(bundle, make_reference(dataset, bundle))
    tampered = bytearray(content)
    tampered[len(content) // 2] ^= 1

    with pytest.raises(ChecksumMismatch, match="was changed"):
        unpack_bundle(version, bytes(tampered))


def test_a_bundle_that_does_not_reproduce_its_reference_is_not_made(dataset, bundle) -> None:
    reference = make_reference(dataset, bundle)
    wrong = reference._replace(outputs=reference.outputs + 1e-3)

    with pytest.raises(DataError, match="does not reproduce"):
        pack_bundle(bundle, wrong)


def test_bytes_that_are_no_bundle_are_refused() -> None:
    with pytest.raises(DataError, match="not a zip"):
        unpack_bundle("ridge-" + sha256(b"no zip").hexdigest()[:12], b"no zip")


def test_features_of_another_version_are_refused(dataset) -> None:
    bundle = make_bundle(dataset)
    old = bundle._replace(spec=bundle.spec.model_copy(update={"feature_version": "000000000000"}))

    with pytest.raises(DataError, match="features 000000000000"):
        pack_bundle(old, make_reference(dataset, bundle))


def test_a_missing_array_is_named(dataset) -> None:
    bundle = make_bundle(dataset, "ridge")
    _, content = pack_bundle(bundle, make_reference(dataset, bundle))
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            if name != "predictor/mean.npy":
                new.writestr(name, old.read(name))

    version = "ridge-" + sha256(buffer.getvalue()).hexdigest()[:12]
    with pytest.raises(DataError, match="mean"):
        unpack_bundle(version, buffer.getvalue())


def test_a_sigma_without_regression_survives(dataset) -> None:
    bundle = make_bundle(dataset)
    empty = np.empty(0)
    plain = replace(
        bundle.sigma,
        method="ewma",
        beta=np.empty((0, 0)),
        mean=empty,
        deviation=empty,
        profile=empty,
        low=empty,
        high=empty,
    )
    spec = bundle.spec.model_copy(update={"sigma": "ewma"})
    ewma = bundle._replace(sigma=plain, spec=spec)

    again = unpack_bundle(*pack_bundle(ewma, make_reference(dataset, bundle)))

    assert again.sigma.method == "ewma"
