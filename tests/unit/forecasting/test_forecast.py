import numpy as np
import pytest

from forecasting.conformal import band_table, tail_symmetry, window
from forecasting.conformal import enter as enter_residuals
from forecasting.dataset import build_dataset
from forecasting.forecast import build_forecast, look_ahead
from forecasting.panel import Panel
from forecasting.sigma import predict_sigma
from forecasting.walk import walk_sigma
from market.errors import DataError
from market.forecast import QUANTILE_LEVELS
from market.interval import HOUR_MS
from support.panels import change_after, make_bundle, make_panel

PANEL = make_panel(3_000, missing=(2_950, 2_951))


@pytest.fixture(scope="module")
def bundle():
    """Trained up to row 2,899: a hundred rows followed since."""
    return make_bundle(build_dataset(PANEL), "ridge", rows=2_900)


def tail(panel: Panel, first: int) -> Panel:
    names = ("open", "high", "low", "close", "volume", "number_of_trades")
    columns = {name: getattr(panel, name)[first:] for name in names}
    taker = panel.taker_buy_base_asset_volume[first:]
    return Panel(
        panel.symbol,
        panel.interval,
        panel.open_ms[first:],
        **columns,
        taker_buy_base_asset_volume=taker,
    )


def forecast(bundle, panel: Panel, **changes):
    arguments = {"made_at_ms": panel.cutoff_ms + HOUR_MS + 5_000, "demo": False} | changes
    return build_forecast("ridge-0123456789ab", bundle, panel, [], **arguments)


def test_live_bands_are_those_of_a_walk_forward(bundle) -> None:
    # The walk-forward of the same fits, over all rows, calibrated at the last one.
    bundle = bundle._replace(weights=np.zeros(50))
    dataset = build_dataset(PANEL)
    sigma = walk_sigma(dataset, 1_450)
    rows = np.arange(2_899, 3_000)
    sigma[rows] = predict_sigma(bundle.sigma, dataset.inputs, rows)
    entered = enter_residuals(dataset.labels / sigma)
    table = band_table(window(entered, 2_999), tail_symmetry(dataset.recipe))

    live = look_ahead(bundle, tail(PANEL, 1_800))

    np.testing.assert_allclose(live.sigma, sigma[2_999], rtol=1e-4)
    np.testing.assert_allclose(live.quantiles, sigma[2_999][:, None] * table, rtol=1e-3, atol=1e-9)


def test_a_forecast_does_not_know_what_comes_after(bundle) -> None:
    known = forecast(bundle, PANEL.head(2_940))
    changed = forecast(bundle, change_after(PANEL, 2_939).head(2_940))

    assert changed == known


def test_a_forecast_reaches_fifty_steps_in_order(bundle) -> None:
    made = forecast(bundle, PANEL)

    assert [step.step for step in made.steps] == list(range(1, 51))
    assert made.cutoff_ms == PANEL.open_ms[-1]
    assert made.last_close == PANEL.close[-1]
    for step in made.steps:
        assert step.target_ms == made.cutoff_ms + (step.step + 1) * HOUR_MS - 1
        assert tuple(step.quantiles) == QUANTILE_LEVELS
        values = list(step.quantiles.values())
        assert values == sorted(values)
        assert step.quantiles["0.5"] == pytest.approx(step.point)
        assert step.sigma > 0
    widths = [step.quantiles["0.9"] - step.quantiles["0.1"] for step in made.steps]
    assert widths[-1] > 2 * widths[0]


def test_a_forecast_without_cards_claims_nothing(bundle) -> None:
    made = forecast(bundle, PANEL)

    assert (made.verdict, made.point_verdict, made.direction_verdict) == (
        "none",
        "none",
        "coin_flip",
    )
    assert made.signal.action == "HOLD"
    assert "not evaluated" in made.signal.reason


def test_a_shut_gate_leaves_the_naive_point(bundle) -> None:
    shut = forecast(bundle._replace(weights=np.zeros(50)), PANEL)

    assert {step.point for step in shut.steps} == {shut.last_close}


@pytest.mark.parametrize(
    ("steps_late", "state"), [(1, "fresh"), (2, "fresh"), (3, "stale"), (51, "expired")]
)
def test_state_tells_how_old_the_newest_kline_is(bundle, steps_late, state) -> None:
    late_ms = PANEL.cutoff_ms + steps_late * HOUR_MS + 5_000

    assert forecast(bundle, PANEL, made_at_ms=late_ms).state == state


def test_state_tells_a_plain_sigma(bundle) -> None:
    plain = bundle._replace(spec=bundle.spec.model_copy(update={"sigma": "ewma"}))

    assert forecast(plain, PANEL).state == "fallback"


def test_klines_that_do_not_reach_back_are_refused(bundle) -> None:
    with pytest.raises(DataError, match="do not reach back"):
        look_ahead(bundle, tail(PANEL, 2_920))
