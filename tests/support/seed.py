"""A store as a running installation leaves it: real klines, a forecast, its score cards.

The klines are the newest of the sample that the simulator bundles. Forecast and cards are
made up from them, plausibly: normal quantiles around the last close, widening with the
root of the step.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import statistics
import zipfile
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

from market.forecast import (
    MAX_STEPS,
    QUANTILE_LEVELS,
    Forecast,
    ScoreCard,
    Signal,
    Step,
    forecast_id,
)
from market.interval import Interval
from market.kline import Kline
from market.store import Store, open_store
from market.store.champions import write_champion
from market.store.forecast_ledger import append_forecast
from market.store.klines import Batch, Source, write_klines
from market.store.schema import migrate
from market.store.score_ledger import write_score_cards
from market.store.symbols import Symbol, find_series, write_symbols

SAMPLE = Path(__file__).parents[2] / "simulator" / "sample"
#: The exchange's time the seeded store stands at: 2024-06-20T09:12:00Z, inside the sample.
NOW_MS = 1_718_874_720_000
#: Steps that score cards are made for.
SCORED_STEPS = (1, 3, 6, 12, 24, 36, 50)


def read_sample(
    symbol: str, interval: Interval, count: int, *, now_ms: int = NOW_MS
) -> list[Kline]:
    """Return the last `count` klines of the bundled sample that had closed by `now_ms`."""
    spot = SAMPLE / "data" / "spot"
    files = sorted(
        spot.glob(f"*/klines/{symbol}/{interval}/*.zip"),
        key=lambda path: path.stem.removeprefix(f"{symbol}-{interval}-"),
        reverse=True,
    )
    klines: dict[int, Kline] = {}
    for path in files:
        klines |= {k.open_time_ms: k for k in _read_zip(path) if k.close_time_ms < now_ms}
        if len(klines) >= count:
            break
    return [klines[open_ms] for open_ms in sorted(klines)][-count:]


def _read_zip(path: Path) -> list[Kline]:
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        rows = list(csv.reader(io.TextIOWrapper(file)))
    return [Kline(int(r[0]), *r[1:6], int(r[6]), r[7], int(r[8]), *r[9:12]) for r in rows]


def open_seeded(url: str, symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT")) -> Store:
    """Migrate the store at `url` and make it know `symbols`, which all trade against USDT."""
    store = open_store(url)
    migrate(store)
    write_symbols(store, [_symbol(symbol) for symbol in symbols], NOW_MS)
    return store


def _symbol(symbol: str) -> Symbol:
    base = symbol.removesuffix("USDT")
    info: dict[str, Any] = {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "filters": [],
    }
    return Symbol(symbol, base, "USDT", "TRADING", json.dumps(info))


def seed_klines(
    store: Store,
    symbol: str,
    interval: Interval,
    *,
    count: int = 200,
    now_ms: int = NOW_MS,
    sample: str | None = None,
) -> list[Kline]:
    """Store the newest sample klines of a series, or those of `sample` under its name."""
    klines = read_sample(sample or symbol, interval, count, now_ms=now_ms)
    with store.read() as connection:
        series = find_series(connection, symbol, interval)
    write_klines(store, series, klines, Batch(Source.IMPORT, "sample", now_ms))
    return klines


def make_forecast(
    symbol: str,
    interval: Interval,
    klines: Sequence[Kline],
    *,
    model: str = "ridge",
    **changes: Any,
) -> Forecast:
    """Return a forecast from the last of `klines`; `changes` replace its fields."""
    closes = [float(kline.close) for kline in klines]
    sigma = statistics.stdev(math.log(b / a) for a, b in zip(closes, closes[1:], strict=False))
    width = 1.04 if model == "random_walk" else 1.0
    cutoff_ms = klines[-1].open_time_ms
    version = f"{model}-{hashlib.sha256(f'{symbol}{interval}{model}'.encode()).hexdigest()[:12]}"
    fields: dict[str, Any] = {
        "forecast_id": forecast_id(symbol, interval.value, version, cutoff_ms),
        "symbol": symbol,
        "interval": interval.value,
        "model": model,
        "version": version,
        "cutoff_ms": cutoff_ms,
        "made_at_ms": klines[-1].close_time_ms + 3_001,
        "last_close": closes[-1],
        "verdict": "skill",
        "point_verdict": "none",
        "direction_verdict": "coin_flip",
        "state": "fresh",
        "signal": Signal(action="HOLD", reason="No direction was proven: holding costs no fees."),
        "demo": False,
        "steps": [
            _step(interval, cutoff_ms, closes[-1], step, sigma * width)
            for step in range(1, MAX_STEPS + 1)
        ],
    }
    return Forecast(**fields | changes)


def _step(interval: Interval, cutoff_ms: int, close: float, step: int, sigma: float) -> Step:
    spread = sigma * math.sqrt(step)
    quantiles = {
        level: close * math.exp(NormalDist().inv_cdf(float(level)) * spread)
        for level in QUANTILE_LEVELS
    }
    target_ms = interval.close_of(interval.add(cutoff_ms, step))
    return Step(step=step, target_ms=target_ms, point=close, sigma=spread, quantiles=quantiles)


def make_score_card(forecast: Forecast, step: int, **changes: Any) -> ScoreCard:
    """Return a card that gives the forecast's model a little skill; `changes` replace fields."""
    fields: dict[str, Any] = {
        "symbol": forecast.symbol,
        "interval": forecast.interval,
        "model": forecast.model,
        "version": forecast.version,
        "step": step,
        "kind": "replay",
        "from_ms": forecast.cutoff_ms - 8_700 * 3_600_000,
        "to_ms": forecast.cutoff_ms,
        "n": 8_700,
        "n_eff": 8_700 // step,
        "pinball": 0.0021 * math.sqrt(step),
        "skill_constant": 0.064,
        "p_constant": 0.0001,
        "skill_ewma": 0.021,
        "p_ewma": 0.004,
        "coverage_50": 0.507,
        "coverage_80": 0.798,
        "coverage_95": 0.951,
        "width_80": 0.012 * math.sqrt(step),
        "mae_ratio": 1.0,
        "p_mae": 0.51,
        "direction_accuracy": 0.506,
        "direction_low": 0.47,
        "direction_high": 0.542,
        "direction_majority": 0.512,
        "verdict": "skill",
        "point_verdict": "none",
        "direction_verdict": "coin_flip",
    }
    return ScoreCard(**fields | changes)


def seed_forecast(store: Store, forecast: Forecast, cards: Sequence[ScoreCard] = ()) -> None:
    """Append a forecast, make its artefact the champion, and store its score cards."""
    interval = Interval.parse(forecast.interval)
    append_forecast(store, forecast)
    write_score_cards(store, cards)
    with store.begin() as connection:
        series = find_series(connection, forecast.symbol, interval)
        args = (forecast.model, forecast.version, forecast.made_at_ms, "first model")
        write_champion(connection, series, *args)


def seed_market(url: str) -> Store:
    """Seed what most tests want: BTCUSDT and ETHUSDT, 1h and 1d, forecasts with some skill."""
    store = open_seeded(url)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        for interval in (Interval.H1, Interval.D1):
            klines = seed_klines(store, symbol, interval)
            append_forecast(store, make_forecast(symbol, interval, klines, model="random_walk"))
            forecast = make_forecast(symbol, interval, klines)
            cards = [_fading_card(forecast, step) for step in SCORED_STEPS]
            seed_forecast(store, forecast, cards)
    return store


def _fading_card(forecast: Forecast, step: int) -> ScoreCard:
    """Skill that ends between steps 24 and 36, as it does for real models."""
    if step <= 24:
        return make_score_card(forecast, step)
    return make_score_card(forecast, step, skill_ewma=-0.004, p_ewma=0.71, verdict="none")
