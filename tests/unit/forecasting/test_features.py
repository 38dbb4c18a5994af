import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.features import FEATURE_NAMES, build_features
from support.panels import change_after, make_panel

PANEL = make_panel(900, missing=(400, 401, 402, 650))
WHOLE = build_features(PANEL)


@settings(max_examples=25, deadline=None)
@given(row=st.integers(1, 898))
def test_features_do_not_know_what_comes_after(row: int) -> None:
    changed = build_features(change_after(PANEL, row))
    cut = build_features(PANEL.head(row + 1))

    np.testing.assert_array_equal(changed[: row + 1], WHOLE[: row + 1])
    np.testing.assert_array_equal(cut, WHOLE[: row + 1])


def test_features_are_finite_wherever_the_kline_is() -> None:
    assert WHOLE.shape == (900, len(FEATURE_NAMES))
    assert WHOLE.dtype == np.float32
    assert np.isfinite(WHOLE[PANEL.present]).all()
    assert np.isnan(WHOLE[~PANEL.present]).all()


def test_features_have_no_unit() -> None:
    panel = make_panel(600)
    scaled = {n: getattr(panel, n) * 1000 for n in ("open", "high", "low", "close")}
    richer = type(panel)(**{**{s: getattr(panel, s) for s in panel.__slots__}, **scaled})

    np.testing.assert_allclose(build_features(richer), build_features(panel), atol=1e-4)


def test_features_of_constant_prices_are_finite() -> None:
    panel = make_panel(300)
    flat = {n: np.full(300, 5.0) for n in ("open", "high", "low", "close")}
    still = type(panel)(**{**{s: getattr(panel, s) for s in panel.__slots__}, **flat})

    assert np.isfinite(build_features(still)).all()


def test_every_feature_varies() -> None:
    assert (build_features(make_panel(2000)).std(axis=0) > 1e-3).all()
