"""What Elasticsearch is given: forecasts and klines as documents with fixed ids.

An id follows from what the document is about alone, so writing one twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from forecast_sink.indices import FORECASTS, KLINES, SIGNALS
from forecast_sink.truth import band_width, judge_step
from market.forecast import MAX_STEPS, QUANTILE_LEVELS, Forecast, Step
from market.interval import HOUR_MS, Interval
from market.kline import Kline
from market.times import format_time

#: Field of each quantile: "0.025" is q025, "0.5" is q50.
QUANTILE_FIELDS = {level: "q" + level.partition(".")[2].ljust(2, "0") for level in QUANTILE_LEVELS}
#: Below an hour a document for every step would mostly repeat its neighbours.
SPARSE_STEPS = (1, 3, 6, 12, 24, 50)
_SIGNAL_FIELDS = (
    *("symbol", "interval", "model", "version", "cutoff", "made_at", "last_close"),
    *("verdict", "action", "state", "demo"),
)
_EXPECTED_STEPS = f"default, all, or steps of 1 to {MAX_STEPS} separated by commas or blanks"


class StepChoice(NamedTuple):
    """Which steps are indexed; without a list it depends on the interval."""

    steps: frozenset[int] | None = None

    def keeps(self, interval: Interval, step: int) -> bool:
        """Tell whether that step of that interval is indexed."""
        if self.steps is not None:
            return step in self.steps
        return interval.typical_ms >= HOUR_MS or step in SPARSE_STEPS


def parse_steps(text: str) -> StepChoice:
    """Read a choice of steps.

    Raises:
        ValueError: it is none; the message says what is valid.
    """
    words = text.replace(",", " ").split()
    if words in ([], ["default"]):
        return StepChoice()
    if words == ["all"]:
        return StepChoice(frozenset(range(1, MAX_STEPS + 1)))
    if not all(word.isdecimal() and 1 <= int(word) <= MAX_STEPS for word in words):
        raise ValueError(f"expected {_EXPECTED_STEPS}")
    return StepChoice(frozenset(map(int, words)))


class Document(NamedTuple):
    """One document of an index, by its alias; without a body it is to be removed.

    `month` is that of an index rolled by month.
    """

    alias: str
    identity: str
    body: dict[str, Any] | None
    month: int | None = None

    @property
    def target(self) -> str:
        """Return what it is written to: the alias, or the index of its month (202406)."""
        return self.alias if self.month is None else f"{self.alias}-{self.month:06d}"


def build_forecast_documents(
    forecast: Forecast,
    choice: StepChoice,
    *,
    champion: bool,
    closes: Mapping[int, float] | None = None,
) -> list[Document]:
    """Return one document for each indexed step.

    `champion` tells whether the forecast's artefact was the series' champion when it was made;
    `closes` holds the price at each target time (ms) that has passed.
    """
    interval = Interval.parse(forecast.interval)
    shared = {**_shared_fields(forecast), "champion": champion}
    return [
        build_step_document(forecast, step, shared, (closes or {}).get(step.target_ms))
        for step in forecast.steps
        if choice.keeps(interval, step.step)
    ]


def build_step_document(
    forecast: Forecast, step: Step, shared: dict[str, Any], actual: float | None
) -> Document:
    """Return the document of a step; with the truth where its kline has closed."""
    body = {
        **shared,
        "step": step.step,
        "target_time": format_time(step.target_ms),
        "point": step.point,
        "sigma": step.sigma,
        **{QUANTILE_FIELDS[level]: price for level, price in step.quantiles.items()},
    }
    if actual is not None:
        body |= judge_step(step, forecast.last_close, actual)
    return Document(FORECASTS.alias, f"{forecast.forecast_id}|{step.step}", body)


def _shared_fields(forecast: Forecast) -> dict[str, Any]:
    interval = Interval.parse(forecast.interval)
    closed_ms = interval.close_of(forecast.cutoff_ms)
    return {
        "symbol": forecast.symbol,
        "interval": forecast.interval,
        "model": forecast.model,
        "version": forecast.version,
        "cutoff": format_time(forecast.cutoff_ms),
        "made_at": format_time(forecast.made_at_ms),
        "last_close": forecast.last_close,
        "verdict": forecast.verdict,
        "point_verdict": forecast.point_verdict,
        "direction_verdict": forecast.direction_verdict,
        "action": forecast.signal.action,
        "state": forecast.state,
        "demo": forecast.demo,
        # Seconds from the close of the newest kline it saw.
        "latency": (forecast.made_at_ms - closed_ms) / 1000,
    }


def build_signal_document(
    forecast: Forecast, *, champion: bool, closes: Mapping[int, float]
) -> Document:
    """Return a forecast's signal, with what the next kline made of it where that has closed.

    `expected_return`, `actual_return` and `result` are fractions of the last close; `result` is
    the return for who bought, its opposite for who sold, 0 for who held, before any fee.
    """
    step, last_close = forecast.steps[0], forecast.last_close
    median = step.quantiles["0.5"]
    shared = _shared_fields(forecast)
    body = {
        **{name: shared[name] for name in _SIGNAL_FIELDS},
        "reason": forecast.signal.reason,
        "champion": champion,
        "target_time": format_time(step.target_ms),
        "median": median,
        "expected_return": median / last_close - 1,
        "width_80": band_width(step),
    }
    actual = closes.get(step.target_ms)
    if actual is not None:
        earned = actual / last_close - 1
        side = {"BUY": 1, "SELL": -1}.get(forecast.signal.action, 0)
        body |= {"actual": actual, "actual_return": earned, "result": side * earned}
        if side and earned:
            body["is_hit"] = int(side * earned > 0)
    return Document(SIGNALS.alias, forecast.forecast_id, body)


def build_kline_document(symbol: str, interval: Interval, kline: Kline) -> Document:
    """Return the document of a kline; its numbers become floats here and only here."""
    return Document(
        KLINES.alias,
        kline_identity(symbol, interval, kline.open_time_ms),
        {
            "symbol": symbol,
            "interval": interval.value,
            "open_time": format_time(kline.open_time_ms),
            "close_time": format_time(kline.close_time_ms),
            "open": float(kline.open),
            "high": float(kline.high),
            "low": float(kline.low),
            "close": float(kline.close),
            "volume": float(kline.volume),
            "quote_asset_volume": float(kline.quote_asset_volume),
            "number_of_trades": kline.number_of_trades,
            "taker_buy_base_asset_volume": float(kline.taker_buy_base_asset_volume),
            "taker_buy_quote_asset_volume": float(kline.taker_buy_quote_asset_volume),
        },
    )


def build_kline_removal(symbol: str, interval: Interval, open_time_ms: int) -> Document:
    """Return the removal of a kline that the store no longer holds."""
    return Document(KLINES.alias, kline_identity(symbol, interval, open_time_ms), None)


def kline_identity(symbol: str, interval: Interval, open_time_ms: int) -> str:
    """Return the id of a kline's document."""
    return f"{symbol}|{interval.value}|{open_time_ms}"


def group_runs(opens: Iterable[int], widest_ms: int) -> list[tuple[int, int]]:
    """Return half-open ranges that cover the open times, split at holes over `widest_ms`."""
    ranges: list[tuple[int, int]] = []
    for open_ms in sorted(opens):
        if ranges and open_ms - ranges[-1][1] < widest_ms:
            ranges[-1] = (ranges[-1][0], open_ms + 1)
        else:
            ranges.append((open_ms, open_ms + 1))
    return ranges
