"""The causal features of the mean models: row i uses bars <= i only.

Every column is free of units and finite wherever the bar itself is there: a missing bar is
stepped over, never filled. Spans are numbers of bars, so one list serves every interval.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from forecasting.panel import Panel, log_returns
from forecasting.rolling import Column, ewma, trailing_max, trailing_mean, trailing_sum
from forecasting.sigma import VARIANCE_FLOOR, garman_klass
from market.interval import DAY_MS, WEEK_MS

RETURN_SPANS = (1, 2, 3, 6, 12, 24, 48, 72, 168)
VARIANCE_SPANS = (1, 6, 24, 72, 720)
AVERAGE_SPANS = (24, 168, 720)
RANGE_SPANS = (1, 24, 168)
IMBALANCE_SPANS = (1, 6, 24, 168)
_HALF_LIFE = 24.0
_BOUND = 8.0


def build_features(panel: Panel) -> NDArray[np.float32]:
    """Return the features of every row: (n, columns) float32; NaN rows where no kline is."""
    columns = _columns(panel)
    matrix = np.column_stack([columns[name] for name in FEATURE_NAMES])
    matrix = np.clip(np.nan_to_num(matrix, nan=0.0), -_BOUND, _BOUND)
    matrix[~panel.present] = np.nan
    return matrix.astype(np.float32)


def _columns(panel: Panel) -> dict[str, Column]:
    returns = log_returns(panel)
    scale = ewma(returns**2, _HALF_LIFE)
    scale = np.sqrt(np.where(np.isnan(scale), 0.0, scale) + VARIANCE_FLOOR)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            **_momentum(panel, returns, scale),
            **_shape(panel, returns, scale),
            **_variance(panel),
            **_activity(panel, returns, scale),
            **_calendar(panel),
        }


def _momentum(panel: Panel, returns: Column, scale: Column) -> dict[str, Column]:
    columns = {
        f"return_{span}": trailing_sum(returns, span) / (scale * np.sqrt(span))
        for span in RETURN_SPANS
    }
    for span in AVERAGE_SPANS:
        distance = np.log(panel.close / trailing_mean(panel.close, span))
        columns[f"above_mean_{span}"] = distance / (scale * np.sqrt(span))
    gains = trailing_sum(np.maximum(returns, 0.0), 14)
    moves = trailing_sum(np.abs(returns), 14)
    columns["strength_14"] = 2 * gains / moves - 1
    columns["up_share_24"] = 2 * trailing_mean((returns > 0).astype(float), 24) - 1
    return columns


def _shape(panel: Panel, returns: Column, scale: Column) -> dict[str, Column]:
    columns = {}
    for span in RANGE_SPANS:
        top = trailing_max(panel.high, span)
        bottom = -trailing_max(-panel.low, span)
        columns[f"range_place_{span}"] = 2 * (panel.close - bottom) / (top - bottom) - 1
    body_top = np.maximum(panel.open, panel.close)
    body_bottom = np.minimum(panel.open, panel.close)
    wicks = (panel.high - body_top) - (body_bottom - panel.low)
    columns["wick_balance"] = wicks / (panel.high - panel.low)
    unit = returns / scale
    for span in (24, 168):
        columns[f"skewness_{span}"] = trailing_mean(np.clip(unit, -4, 4) ** 3, span)
    lagged = np.concatenate([[np.nan], unit[:-1]])
    columns["autocorrelation_24"] = trailing_mean(np.clip(unit * lagged, -4, 4), 24)
    return columns


def _variance(panel: Panel) -> dict[str, Column]:
    variance = garman_klass(panel)
    week = np.log(trailing_mean(variance, 168))
    columns = {
        f"variance_{span}": np.log(trailing_mean(variance, span)) - week for span in VARIANCE_SPANS
    }
    columns["variance_level"] = (week + 10.0) / 2
    return columns


def _activity(panel: Panel, returns: Column, scale: Column) -> dict[str, Column]:
    volume, trades = panel.volume, panel.number_of_trades
    bought = panel.taker_buy_base_asset_volume
    surge = np.log((volume + 1e-12) / (trailing_mean(volume, 168) + 1e-12))
    columns = {
        "volume_surge": surge,
        "volume_day": np.log(
            (trailing_mean(volume, 24) + 1e-12) / (trailing_mean(volume, 168) + 1e-12)
        ),
        "trades_surge": np.log((trades + 1) / (trailing_mean(trades, 168) + 1)),
        "trade_size": np.log((volume + 1e-12) / (trades + 1))
        - np.log((trailing_mean(volume, 168) + 1e-12) / (trailing_mean(trades, 168) + 1)),
        "return_on_volume": returns / scale * np.clip(surge, -3, 3),
    }
    for span in IMBALANCE_SPANS:
        share = trailing_sum(bought, span) / trailing_sum(volume, span)
        columns[f"imbalance_{span}"] = 2 * share - 1
    return columns


def _calendar(panel: Panel) -> dict[str, Column]:
    day = 2 * np.pi * (panel.open_ms % DAY_MS) / DAY_MS
    week = 2 * np.pi * (panel.open_ms % WEEK_MS) / WEEK_MS
    return {
        "day_sine": np.sin(day),
        "day_cosine": np.cos(day),
        "week_sine": np.sin(week),
        "week_cosine": np.cos(week),
    }


FEATURE_NAMES: tuple[str, ...] = (
    *(f"return_{span}" for span in RETURN_SPANS),
    *(f"above_mean_{span}" for span in AVERAGE_SPANS),
    "strength_14",
    "up_share_24",
    *(f"range_place_{span}" for span in RANGE_SPANS),
    "wick_balance",
    "skewness_24",
    "skewness_168",
    "autocorrelation_24",
    *(f"variance_{span}" for span in VARIANCE_SPANS),
    "variance_level",
    "volume_surge",
    "volume_day",
    "trades_surge",
    "trade_size",
    "return_on_volume",
    *(f"imbalance_{span}" for span in IMBALANCE_SPANS),
    "day_sine",
    "day_cosine",
    "week_sine",
    "week_cosine",
)

#: Names the features an artefact was trained on; raise the leading number when one changes.
FEATURE_VERSION = hashlib.sha256(("1|" + "|".join(FEATURE_NAMES)).encode()).hexdigest()[:12]
