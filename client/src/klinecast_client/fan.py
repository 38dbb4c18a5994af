"""A forecast as a DataFrame: one row per step."""

from __future__ import annotations

from typing import Any

import pandas as pd

from market.forecast import Forecast


def forecast_frame(forecast: Forecast) -> pd.DataFrame:
    """Return a forecast's steps as a DataFrame indexed by `target_time` (UTC).

    Columns: step, point, sigma and one `q<level>` for each quantile; the rest of the
    forecast is in `attrs`.
    """
    rows: list[dict[str, Any]] = [
        {
            "target_time": step.target_ms,
            "step": step.step,
            "point": step.point,
            "sigma": step.sigma,
            **{f"q{level}": price for level, price in step.quantiles.items()},
        }
        for step in forecast.steps
    ]
    frame = pd.DataFrame(rows)
    frame["target_time"] = pd.to_datetime(frame["target_time"], unit="ms", utc=True)
    frame.attrs.update(forecast.model_dump(exclude={"steps"}))
    return frame.set_index("target_time")
