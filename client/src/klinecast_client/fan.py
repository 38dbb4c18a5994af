"""Forecasts as DataFrames: one row per step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from market.forecast import Forecast


def forecast_frame(forecast: Forecast) -> pd.DataFrame:
    """Return a forecast's steps as a DataFrame indexed by `target_time` (UTC).

    Columns: step, point, sigma and one `q<level>` for each quantile; the rest of the
    forecast is in `attrs`.
    """
    frame = pd.DataFrame(list(_iter_steps(forecast)))
    frame["target_time"] = pd.to_datetime(frame["target_time"], unit="ms", utc=True)
    frame.attrs.update(forecast.model_dump(exclude={"steps"}))
    return frame.set_index("target_time")


def forecast_rows(forecasts: Sequence[Forecast]) -> pd.DataFrame:
    """Return the steps of several forecasts in one DataFrame.

    Index: cutoff_time (UTC), step. Columns: target_time, point, sigma, one `q<level>` for
    each quantile, model, version.
    """
    frame = pd.DataFrame(
        [
            {
                "cutoff_time": forecast.cutoff_ms,
                **step,
                "model": forecast.model,
                "version": forecast.version,
            }
            for forecast in forecasts
            for step in _iter_steps(forecast)
        ]
    )
    for name in ("cutoff_time", "target_time"):
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame.set_index(["cutoff_time", "step"])


def _iter_steps(forecast: Forecast) -> Iterator[dict[str, Any]]:
    for step in forecast.steps:
        yield {
            "target_time": step.target_ms,
            "step": step.step,
            "point": step.point,
            "sigma": step.sigma,
            **{f"q{level}": price for level, price in step.quantiles.items()},
        }
