"""What came of forecasts: the closes of the klines they were about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from market.forecast import Forecast, Step, StepTruth
from market.gaps import Range, merge_ranges
from market.store.kline_prices import read_prices
from market.store.symbols import Series


def find_truth(
    connection: Connection, series: Series, forecasts: Sequence[Forecast]
) -> dict[str, list[StepTruth]]:
    """Return, by forecast, the steps whose klines are stored; forecasts without any left out."""
    interval = series.interval
    spans = [
        Range(interval.add(one.cutoff_ms, 1), interval.add(one.cutoff_ms, len(one.steps) + 1))
        for one in forecasts
    ]
    closes: dict[int, float] = {}
    # Cutoffs far apart are not worth reading all that lies between them.
    for span in merge_ranges(spans):
        prices = read_prices(connection, series, *span)
        closes |= {interval.close_of(open_ms): close for open_ms, close in prices}
    truth = {one.forecast_id: judge_forecast(one, closes) for one in forecasts}
    return {identity: steps for identity, steps in truth.items() if steps}


def judge_forecast(forecast: Forecast, closes: Mapping[int, float]) -> list[StepTruth]:
    """Return what came of each step, by the closes known, keyed by regular close times. Pure."""
    return [
        _judge(step, closes[step.target_ms]) for step in forecast.steps if step.target_ms in closes
    ]


def _judge(step: Step, actual: float) -> StepTruth:
    def holds(low: str, high: str) -> bool:
        return step.quantiles[low] <= actual <= step.quantiles[high]

    return StepTruth(
        step=step.step,
        actual=actual,
        error=math.log(actual / step.point) if actual > 0 and step.point > 0 else None,
        in_50=holds("0.25", "0.75"),
        in_80=holds("0.1", "0.9"),
        in_95=holds("0.025", "0.975"),
    )
