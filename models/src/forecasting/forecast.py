"""Building a forecast from a bundle and the newest klines: pure, the same live and replayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecasting.bundle import Bundle
from forecasting.conformal import Matrix, band_table, residual_windows, tail_symmetry, window
from forecasting.dataset import Dataset, build_dataset, finite_features, spread_steps
from forecasting.panel import Panel
from forecasting.recipe import MIN_RESIDUALS
from forecasting.sigma import predict_sigma
from forecasting.track import Track, advance
from forecasting.verdict import claims_of, signal_of
from market.errors import DataError
from market.forecast import (
    MAX_STEPS,
    QUANTILE_LEVELS,
    Forecast,
    ScoreCard,
    State,
    Step,
    forecast_id,
)
from market.interval import Interval

#: Klines before a bundle's newest one that its inputs look back on.
LOOK_BACK = 1_000
#: Steps after which a newest kline is called stale.
_STALE_STEPS = 2


class Outlook(NamedTuple):
    """Log-returns ahead: `centre`, `sigma` (50,), `quantiles` (50, 7); `residuals` behind them."""

    centre: NDArray[np.float64]
    sigma: NDArray[np.float64]
    quantiles: Matrix
    residuals: int


def predict_rows(bundle: Bundle, dataset: Dataset, rows: NDArray[np.intp]) -> tuple[Matrix, Matrix]:
    """Return sigma and the point's log-returns for rows of a dataset: (rows, 50) each."""
    sigma = predict_sigma(bundle.sigma, dataset.inputs, rows)
    sigma[~dataset.panel.present[rows]] = np.nan
    standard = bundle.predictor.predict(finite_features(dataset, rows))
    return sigma, spread_steps(standard) * sigma * bundle.weights


def advance_to(bundle: Bundle, dataset: Dataset) -> tuple[Track, Matrix, Matrix]:
    """Return the bundle's track at the panel's last row, and that row's sigma and centre.

    Raises:
        DataError: the panel does not hold the kline the bundle was trained up to.
    """
    panel = dataset.panel
    row = int(np.searchsorted(panel.open_ms, bundle.spec.trained_to_ms))
    if row >= len(panel) or panel.open_ms[row] != bundle.spec.trained_to_ms:
        raise DataError(
            f"the klines read do not reach back to {bundle.spec.trained_to_ms},"
            " the newest one this artefact was trained on"
        )
    sigma, centre = predict_rows(bundle, dataset, np.arange(row, len(panel)))
    track = advance(bundle.track, np.log(panel.close), row, sigma[:-1], centre[:-1])
    return track, sigma[-1], centre[-1]


def look_ahead(bundle: Bundle, panel: Panel) -> Outlook:
    """Return what a bundle expects from a panel's last row on; see `advance_to` for errors."""
    dataset = build_dataset(panel)
    track, sigma, centre = advance_to(bundle, dataset)
    pool = window(track.pool, len(track.pool) - 1, residual_windows(dataset.recipe))
    table = band_table(pool, tail_symmetry(dataset.recipe))
    residuals = int(np.isfinite(track.pool).sum(axis=0).min(initial=len(track.pool)))
    return Outlook(centre, sigma, centre[:, None] + sigma[:, None] * table, residuals)


def build_forecast(
    version: str,
    bundle: Bundle,
    panel: Panel,
    cards: Sequence[ScoreCard],
    *,
    made_at_ms: int,
    demo: bool,
) -> Forecast:
    """Build the forecast from a panel's newest kline.

    Args:
        cards: the newest score cards of the bundle's model, empty before an evaluation.
        made_at_ms: the exchange's time.
    """
    outlook = look_ahead(bundle, panel)
    spec = bundle.spec
    claims = claims_of(cards)
    close = float(panel.close[-1])
    return Forecast(
        forecast_id=forecast_id(spec.symbol, spec.interval, version, panel.cutoff_ms),
        symbol=spec.symbol,
        interval=spec.interval,
        model=spec.model,
        version=version,
        cutoff_ms=panel.cutoff_ms,
        made_at_ms=made_at_ms,
        last_close=close,
        verdict=claims.ranges,
        point_verdict=claims.point,
        direction_verdict=claims.direction,
        state=_state(bundle, outlook, panel, made_at_ms),
        signal=signal_of(claims, float(outlook.centre[0]), cards),
        demo=demo,
        steps=[_step(step, outlook, panel, close) for step in range(1, MAX_STEPS + 1)],
    )


def _step(step: int, outlook: Outlook, panel: Panel, close: float) -> Step:
    prices = close * np.exp(outlook.quantiles[step - 1])
    target_open_ms = panel.interval.add(panel.cutoff_ms, step)
    return Step(
        step=step,
        target_ms=panel.interval.close_of(target_open_ms),
        point=close * float(np.exp(outlook.centre[step - 1])),
        sigma=float(outlook.sigma[step - 1]),
        quantiles=dict(zip(QUANTILE_LEVELS, prices.tolist(), strict=True)),
    )


def _state(bundle: Bundle, outlook: Outlook, panel: Panel, now_ms: int) -> State:
    interval: Interval = panel.interval
    if now_ms > interval.close_of(interval.add(panel.cutoff_ms, MAX_STEPS)):
        return "expired"
    if bundle.spec.sigma == "ewma" or outlook.residuals < MIN_RESIDUALS:
        return "fallback"
    if now_ms > interval.close_of(interval.add(panel.cutoff_ms, _STALE_STEPS)):
        return "stale"
    return "fresh"
