"""Made-up forecasts, and a store filled with klines and forecasts that are announced."""

from __future__ import annotations

from collections.abc import Sequence

from market.forecast import MAX_STEPS, QUANTILE_LEVELS, Forecast, Signal, Step, forecast_id
from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store.forecast_ledger import append_forecast
from market.store.klines import Batch, Source, write_klines
from market.store.symbols import Series, Symbol, find_series, write_symbols

#: Normal quantiles at the levels of every forecast.
_DEVIATES = (-1.96, -1.28, -0.67, 0.0, 0.67, 1.28, 1.96)


def make_forecast(
    symbol: str,
    interval: Interval,
    cutoff: Kline,
    *,
    model: str = "ridge",
    version: str = "ridge-0123456789ab",
) -> Forecast:
    """Return a random walk's forecast after that kline, made a second after its close."""
    close = float(cutoff.close)
    steps = []
    for step in range(1, MAX_STEPS + 1):
        sigma = 0.005 * step**0.5
        prices = (close * (1 + sigma * deviate) for deviate in _DEVIATES)
        target_ms = interval.close_of(interval.add(cutoff.open_time_ms, step))
        quantiles = dict(zip(QUANTILE_LEVELS, prices, strict=True))
        steps.append(
            Step(step=step, target_ms=target_ms, point=close, sigma=sigma, quantiles=quantiles)
        )
    return Forecast(
        forecast_id=forecast_id(symbol, interval.value, version, cutoff.open_time_ms),
        symbol=symbol,
        interval=interval.value,
        model=model,
        version=version,
        cutoff_ms=cutoff.open_time_ms,
        made_at_ms=cutoff.close_time_ms + 1000,
        last_close=close,
        verdict="none",
        point_verdict="none",
        direction_verdict="coin_flip",
        state="fresh",
        signal=Signal(action="HOLD", reason="the model has no tested skill"),
        demo=True,
        steps=steps,
    )


def add_series(store: Store, symbol: str, interval: Interval) -> Series:
    """Make a symbol known to the store; return its series of that interval."""
    base, quote = symbol[:-4], symbol[-4:]
    write_symbols(store, [Symbol(symbol, base, quote, "TRADING", "{}")], 1)
    with store.read() as connection:
        return find_series(connection, symbol, interval)


def add_klines(store: Store, series: Series, klines: Sequence[Kline]) -> None:
    """Store klines and announce all of them."""
    batch = Batch(Source.REST, "http://made-up", klines[-1].close_time_ms + 1)
    write_klines(store, series, klines, batch, announce_from_ms=0)


def add_forecasts(store: Store, series: Series, cutoffs: Sequence[Kline]) -> list[Forecast]:
    """Append a forecast after each of the klines; each is announced."""
    return [
        append_forecast(store, make_forecast(series.symbol, series.interval, cutoff))
        for cutoff in cutoffs
    ]
