"""Making forecasts with published bundles, and keeping them before anyone sees them."""

from __future__ import annotations

import threading
from collections import OrderedDict

from prometheus_client import Counter

from forecasting.artefacts import Published, model_of
from forecasting.bundle import Bundle
from forecasting.desk import Desk
from forecasting.forecast import LOOK_BACK, build_forecast
from forecasting.registry import BASELINE, check_models
from market.errors import DataError, NotFound
from market.forecast import Forecast
from market.interval import Interval
from market.log import get_logger
from market.store.champions import read_champion
from market.store.forecast_ledger import append_forecast, find_forecast
from market.store.score_ledger import read_score_cards
from market.store.symbols import find_series

log = get_logger()

_MADE = Counter("models_forecasts_total", "Forecasts made.", ["model", "interval"])
_CACHED_BUNDLES = 64


class Forecaster:
    """Makes forecasts of any published model. Safe to share between threads."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._bundles: OrderedDict[str, Bundle] = OrderedDict()
        self._lock = threading.Lock()

    def forecast(self, symbol: str, interval: Interval, model: str | None) -> Forecast:
        """Return the forecast from the newest kline: by the champion, or the model named.

        Where the champion's bundle can't be read, the random walk's is used. The forecast
        is in the ledger when this returns; one that is there already is returned as it is.

        Raises:
            NotFound: the symbol is unknown, or no bundle of the model is published.
            InvalidParameter: there is no such model.
        """
        if model is not None:
            check_models([model])
        with self._desk.store.read() as connection:
            series = find_series(connection, symbol, interval)
            champion = read_champion(connection, series)
        newest = self._desk.artefacts.newest(symbol, interval)
        if model is not None:
            return self.forecast_with(symbol, interval, _published(newest, symbol, interval, model))
        name = BASELINE if champion is None else model_of(champion.version)
        try:
            return self.forecast_with(symbol, interval, _published(newest, symbol, interval, name))
        except DataError as error:
            if name == BASELINE:
                raise
            log.error("champion_unusable", model=name, reason=error.detail)
            fallback = _published(newest, symbol, interval, BASELINE)
            return self.forecast_with(symbol, interval, fallback)

    def forecast_with(self, symbol: str, interval: Interval, published: Published) -> Forecast:
        """Return the forecast of one bundle from the newest kline, after keeping it."""
        desk = self._desk
        newest_ms = desk.source.newest_open_ms(symbol, interval)
        if newest_ms is None:
            raise NotFound(f"{symbol} {interval} has no klines yet")
        with desk.store.read() as connection:
            series = find_series(connection, symbol, interval)
            stored = find_forecast(connection, series, published.version, interval.floor(newest_ms))
            if stored is not None:
                return stored
            cards = read_score_cards(
                connection, symbol=symbol, interval=interval, model=published.model, kind="replay"
            )
        bundle = self._bundle(published)
        since = interval.count(bundle.spec.trained_to_ms, newest_ms)
        panel = desk.source.read_newest(symbol, interval, LOOK_BACK + since)
        made_at_ms = desk.clock.now_ms()
        forecast = build_forecast(
            published.version, bundle, panel, cards, made_at_ms=made_at_ms, demo=desk.demo
        )
        kept = append_forecast(desk.store, forecast)
        _MADE.labels(published.model, interval.value).inc()
        return kept

    def _bundle(self, published: Published) -> Bundle:
        with self._lock:
            found = self._bundles.get(published.version)
            if found is not None:
                self._bundles.move_to_end(published.version)
                return found
        bundle = self._desk.artefacts.load(published)
        with self._lock:
            self._bundles[published.version] = bundle
            while len(self._bundles) > _CACHED_BUNDLES:
                self._bundles.popitem(last=False)
        return bundle


def _published(
    newest: dict[str, Published], symbol: str, interval: Interval, model: str
) -> Published:
    if model not in newest:
        raise NotFound(
            f"{symbol} {interval} has no trained {model} yet",
            hint="POST /v1/trainings trains it; the first training follows a backfill by itself.",
        )
    return newest[model]
