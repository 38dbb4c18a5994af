"""Small made-up forecasts and score cards, as rows for the ledgers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from market.forecast import QUANTILE_LEVELS, Forecast, ScoreCard, Signal, Step, forecast_id
from market.interval import Interval
from market.store import Store
from market.store import tables as t
from market.store.symbols import find_series
from support.klines import START_MS


def make_forecast(
    cutoff_ms: int = START_MS,
    *,
    symbol: str = "BTCUSDT",
    interval: Interval = Interval.H1,
    model: str = "ridge",
    version: str = "ridge-0123456789ab",
    steps: int = 3,
) -> Forecast:
    """Return a forecast of `steps` steps."""
    return Forecast(
        forecast_id=forecast_id(symbol, interval.value, version, cutoff_ms),
        symbol=symbol,
        interval=interval.value,
        model=model,
        version=version,
        cutoff_ms=cutoff_ms,
        made_at_ms=cutoff_ms + 3_600_500,
        last_close=42_000.1,
        verdict="skill",
        point_verdict="none",
        direction_verdict="coin_flip",
        state="fresh",
        signal=Signal(action="HOLD", reason="the ranges are too wide"),
        demo=False,
        steps=[_step(number, interval.add(cutoff_ms, number)) for number in range(1, steps + 1)],
    )


def _step(number: int, open_ms: int) -> Step:
    return Step(
        step=number,
        target_ms=open_ms + 3_599_999,
        point=42_000.1 + number / 3,
        sigma=0.004 * number**0.5,
        quantiles={level: 42_000 * (0.9 + 0.2 * float(level)) for level in QUANTILE_LEVELS},
    )


def make_card(**changes: Any) -> ScoreCard:
    """Return a score card with some of its values changed."""
    values: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "interval": "1h",
        "model": "ridge",
        "version": "ridge-0123456789ab",
        "step": 1,
        "kind": "replay",
        "from_ms": START_MS,
        "to_ms": START_MS + 1_000 * 3_600_000,
        "n": 1000,
        "n_eff": 1000,
        "pinball": 0.001,
        "skill_constant": 0.1,
        "p_constant": 0.01,
        "skill_ewma": 0.02,
        "p_ewma": 0.2,
        "coverage_50": 0.5,
        "coverage_80": 0.79,
        "coverage_95": 0.94,
        "width_80": 0.02,
        "mae_ratio": 1.0,
        "p_mae": 0.5,
        "direction_accuracy": 0.51,
        "direction_low": 0.48,
        "direction_high": 0.54,
        "direction_majority": 0.52,
        "verdict": "skill",
        "point_verdict": "none",
        "direction_verdict": "coin_flip",
    }
    return ScoreCard(**{**values, **changes})


@contextmanager
def unreadable_forecast(store: Store, symbol: str, model: str, cutoff_ms: int) -> Iterator[None]:
    """Put a row that is no forecast, over 1h, into the ledger, for a while."""
    with store.begin() as connection:
        series = find_series(connection, symbol, Interval.H1)
        row = {
            "symbol_id": series.symbol_id,
            "interval_id": series.interval.number,
            "model": model,
            "version": "broken",
            "cutoff_ms": cutoff_ms,
            "made_at_ms": cutoff_ms,
            "payload": "no JSON",
            "previous_hash": "x" * 64,
            "hash": "y" * 64,
        }
        connection.execute(t.forecasts.insert().values(**row))
    yield
    with store.begin() as connection:
        connection.execute(t.forecasts.delete().where(t.forecasts.c.version == "broken"))


@contextmanager
def unwritable_cards(store: Store, model: str) -> Iterator[None]:
    """Let SQLite refuse every score card of a model, for a while."""
    with store.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON score_cards"
            f" WHEN NEW.model = '{model}' BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    yield
    with store.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER refuse")
