"""A forecast's steps become rows, the rest of it attributes."""

from __future__ import annotations

import pandas as pd

from klinecast_client import forecast_frame
from market.forecast import QUANTILE_LEVELS, Forecast, Signal, Step

START_MS = 1_704_067_200_000
HOUR_MS = 3_600_000


def test_forecast_becomes_one_row_per_step() -> None:
    forecast = Forecast(
        forecast_id="BTCUSDT|1h|ridge-1|1704067200000",
        symbol="BTCUSDT",
        interval="1h",
        model="ridge",
        version="ridge-1",
        cutoff_ms=START_MS,
        made_at_ms=START_MS + HOUR_MS,
        last_close=42_000.0,
        verdict="skill",
        point_verdict="none",
        direction_verdict="coin_flip",
        state="fresh",
        signal=Signal(action="HOLD", reason="no skill"),
        demo=False,
        steps=[
            Step(
                step=h,
                target_ms=START_MS + (h + 1) * HOUR_MS,
                point=42_000.0 + h,
                sigma=0.01 * h,
                quantiles={level: 42_000.0 + float(level) for level in QUANTILE_LEVELS},
            )
            for h in (1, 2)
        ],
    )

    frame = forecast_frame(forecast)

    assert frame.index[0] == pd.Timestamp("2024-01-01T02:00:00Z")
    assert list(frame.columns) == [
        "step", "point", "sigma", *(f"q{level}" for level in QUANTILE_LEVELS),
    ]  # fmt: skip
    assert frame["point"].tolist() == [42_001.0, 42_002.0]
    assert frame["q0.9"].tolist() == [42_000.9, 42_000.9]
    assert frame.attrs["verdict"] == "skill"
