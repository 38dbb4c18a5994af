"""What Elasticsearch is given: forecasts and klines as documents with fixed ids.

An id follows from what the document is about alone, so writing one twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from forecast_sink.indices import FORECASTS, KLINES
from market.forecast import MAX_STEPS, QUANTILE_LEVELS, Forecast
from market.interval import HOUR_MS, Interval
from market.kline import Kline
from market.times import format_time

#: Field of each quantile: "0.025" is q025, "0.5" is q50.
QUANTILE_FIELDS = {level: "q" + level.partition(".")[2].ljust(2, "0") for level in QUANTILE_LEVELS}
#: Below an hour a document for every step would mostly repeat its neighbours.
SPARSE_STEPS = (1, 3, 6, 12, 24, 50)
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
    """One document of an index, by its alias; without a body it is to be removed."""

    alias: str
    identity: str
    body: dict[str, Any] | None


def build_forecast_documents(
    forecast: Forecast, choice: StepChoice, *, champion: bool
) -> list[Document]:
    """Return one document for each indexed step.

    `champion` tells whether the forecast's artefact was the series' champion when it
    was made.
    """
    interval = Interval.parse(forecast.interval)
    shared = {**_shared_fields(forecast), "champion": champion}
    return [
        Document(
            FORECASTS.alias,
            f"{forecast.forecast_id}|{step.step}",
            {
                **shared,
                "step": step.step,
                "target_time": format_time(step.target_ms),
                "point": step.point,
                "sigma": step.sigma,
                **{QUANTILE_FIELDS[level]: price for level, price in step.quantiles.items()},
            },
        )
        for step in forecast.steps
        if choice.keeps(interval, step.step)
    ]


def _shared_fields(forecast: Forecast) -> dict[str, Any]:
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
    }


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
