"""The forecast and the score card, as they are stored, served and indexed."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

#: The quantile levels of every forecast, ascending, as JSON names them.
QUANTILE_LEVELS = ("0.025", "0.1", "0.25", "0.5", "0.75", "0.9", "0.975")
#: Every forecast reaches this many steps ahead.
MAX_STEPS = 50

Verdict = Literal["skill", "none"]
DirectionVerdict = Literal["skill", "coin_flip"]
State = Literal["fresh", "stale", "expired", "fallback"]
Action = Literal["BUY", "SELL", "HOLD"]


class Shape(BaseModel):
    """Base of every shape that crosses a process: frozen, unknown fields refused.

    So are NaN and infinity: JSON has no word for them, and what was written could not be read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Signal(Shape):
    """What the forecast would have a careful reader do, and why. Not financial advice."""

    action: Action
    reason: str


class Step(Shape):
    """The forecast for one kline ahead.

    `target_ms` is the close time of that kline, prices are in the quote currency, `sigma`
    is the forecast standard deviation of the log-return from the cutoff's close.
    """

    step: int = Field(ge=1, le=MAX_STEPS)
    target_ms: int
    point: float
    sigma: float
    quantiles: dict[str, float]


class Forecast(Shape):
    """One forecast: what `model` (artefact `version`) knew at `cutoff_ms`.

    `cutoff_ms` is the open time of the last closed kline seen and `last_close` its close;
    `made_at_ms` is the exchange's time. `verdict` speaks of the ranges, `point_verdict`
    of the median, `direction_verdict` of up or down: "skill" only where a test passed.
    """

    forecast_id: str
    symbol: str
    interval: str
    model: str
    version: str
    cutoff_ms: int
    made_at_ms: int
    last_close: float
    verdict: Verdict
    point_verdict: Verdict
    direction_verdict: DirectionVerdict
    state: State
    signal: Signal
    demo: bool
    steps: list[Step]


def forecast_id(symbol: str, interval: str, version: str, cutoff_ms: int) -> str:
    """Return the one identity a forecast can have."""
    return f"{symbol}|{interval}|{version}|{cutoff_ms}"


class StepTruth(Shape):
    """What came of one step of a forecast, once its kline is stored.

    `actual` is that kline's close, `error` ln(actual / point), null for prices that have no
    logarithm; `in_50`, `in_80` and `in_95`
    tell whether it lies within the band of that width, its edges included.
    """

    step: int = Field(ge=1, le=MAX_STEPS)
    actual: float
    error: float | None
    in_50: bool
    in_80: bool
    in_95: bool


class ForecastPage(Shape):
    """The answer of `GET /v1/forecasts`, newest cutoff first.

    `truth` holds, by `forecast_id`, the steps whose klines are stored by now.
    """

    forecasts: list[Forecast]
    truth: dict[str, list[StepTruth]] = {}
    next: str | None = None


class ForecastRequest(Shape):
    """The body of `POST /v1/forecasts`; `currency` + `compare` stand in for `symbol`."""

    symbol: str | None = None
    currency: str | None = None
    compare: str | None = None
    interval: str
    steps: int = Field(default=MAX_STEPS, ge=1, le=MAX_STEPS)
    model: str | None = None


class TrainingRequest(Shape):
    """The body of `POST /v1/trainings`; no `models` means all of them."""

    symbol: str | None = None
    currency: str | None = None
    compare: str | None = None
    interval: str
    models: list[str] | None = None


class ScoreCard(Shape):
    """How good a model's forecasts of one step were over a span of cutoffs.

    `pinball` is in log-return units, lower is better. `skill_constant` and `skill_ewma`
    are 1 - pinball / pinball of a random walk with constant and with EWMA volatility;
    the `p_` beside each is its one-sided Diebold-Mariano p-value. Coverages, `mae_ratio` and
    `direction_*` are fractions, `width_80` is the mean width of the 80 % band in log-return units;
    `n_eff` counts non-overlapping targets.
    """

    symbol: str
    interval: str
    model: str
    version: str
    step: int
    kind: Literal["replay", "live"]
    from_ms: int
    to_ms: int
    n: int
    n_eff: int
    pinball: float
    skill_constant: float
    p_constant: float
    skill_ewma: float
    p_ewma: float
    coverage_50: float
    coverage_80: float
    coverage_95: float
    width_80: float
    mae_ratio: float
    p_mae: float
    direction_accuracy: float
    direction_low: float
    direction_high: float
    direction_majority: float
    verdict: Verdict
    point_verdict: Verdict
    direction_verdict: DirectionVerdict


class ScorePage(Shape):
    """The answer of `GET /v1/scores`."""

    scores: list[ScoreCard]
