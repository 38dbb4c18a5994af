"""A forecast's steps become rows, the rest of it attributes."""

from __future__ import annotations

import pandas as pd

from klinecast_client import forecast_frame
from market.forecast import QUANTILE_LEVELS
from support.ledger_rows import make_forecast


def test_forecast_becomes_one_row_per_step() -> None:
    forecast = make_forecast(steps=2)

    frame = forecast_frame(forecast)

    assert frame.index[0] == pd.Timestamp("2024-01-01T01:59:59.999Z")
    assert list(frame.columns) == [
        "step", "point", "sigma", *(f"q{level}" for level in QUANTILE_LEVELS),
    ]  # fmt: skip
    assert frame["point"].tolist() == [step.point for step in forecast.steps]
    assert frame["q0.9"].tolist() == [step.quantiles["0.9"] for step in forecast.steps]
    assert frame.attrs["verdict"] == "skill"
