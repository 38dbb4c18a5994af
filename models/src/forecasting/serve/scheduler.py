"""The scheduler: forecasts on every closed kline, and asks for trainings when they are due."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from prometheus_client import Gauge

from forecasting.artefacts import Published
from forecasting.desk import Desk, SeriesName
from forecasting.jobs import submit_training
from forecasting.recipe import MIN_KLINES, retrain_klines
from forecasting.registry import BASELINE, REGISTRY
from forecasting.serve.forecaster import Forecaster
from market.errors import FatalError, KlinecastError
from market.interval import Interval
from market.log import get_logger
from market.store.forecast_ledger import read_forecasts
from market.store.symbols import find_series

log = get_logger()

_CUTOFF = Gauge(
    "models_newest_cutoff_ms", "Newest kline that was forecast from.", ["symbol", "interval"]
)
#: A series is kept up with while its newest close is at most this many steps old.
_CURRENT_STEPS = 2


class Scheduler:
    """Works through the followed series, again and again, counting closed klines only."""

    def __init__(
        self,
        desk: Desk,
        forecaster: Forecaster,
        series: Iterable[SeriesName],
        retrain_after: int | None,
    ) -> None:
        self._desk = desk
        self._forecaster = forecaster
        self._series = series
        self._retrain_after = retrain_after
        self._handled: dict[SeriesName, tuple[int, frozenset[str]]] = {}
        self._asked: dict[SeriesName, tuple[int, list[str]]] = {}

    def start(self, stop: threading.Event, poll_s: float) -> threading.Thread:
        """Run rounds in a daemon thread until `stop` is set."""

        def run() -> None:
            while not stop.is_set():
                self.run_round(stop)
                stop.wait(poll_s)

        thread = threading.Thread(target=run, name="scheduler", daemon=True)
        thread.start()
        return thread

    def run_round(self, stop: threading.Event) -> None:
        """Look once at every series; one that fails doesn't hold up the others."""
        for symbol, interval in self._series:
            if stop.is_set():
                return
            try:
                self._visit(symbol, interval)
            except KlinecastError as error:
                log.warning(
                    "series_waits", symbol=symbol, interval=interval.value, reason=error.detail
                )
            except Exception as error:
                log.error("series_broke", symbol=symbol, interval=interval.value, exc_info=error)

    def _visit(self, symbol: str, interval: Interval) -> None:
        newest_ms = self._desk.source.newest_open_ms(symbol, interval)
        if newest_ms is None:
            return
        cutoff_ms = interval.floor(newest_ms)
        published = self._desk.artefacts.newest(symbol, interval)
        models = self._due_models(symbol, interval, cutoff_ms, published)
        if models and self._asked.get((symbol, interval)) != (cutoff_ms, models):
            self._ask_training(symbol, interval, models)
            self._asked[(symbol, interval)] = (cutoff_ms, models)
        handled = (cutoff_ms, frozenset(published))
        if published and self._handled.get((symbol, interval)) != handled:
            self._forecast_all(symbol, interval, cutoff_ms, published)
            self._handled[(symbol, interval)] = handled
            _CUTOFF.labels(symbol, interval.value).set(cutoff_ms)

    def _due_models(
        self, symbol: str, interval: Interval, cutoff_ms: int, published: dict[str, Published]
    ) -> list[str]:
        """Return the models to train now: none, the random walk of a new series, or all.

        The random walk is asked for alone at first: it takes seconds, so that every series is
        forecast before the long walk-forward of any begins.
        """
        if published.keys() >= REGISTRY.keys():
            trained_to_ms = min(bundle.trained_to_ms for bundle in published.values())
            after = self._retrain_after or retrain_klines(interval)
            return list(REGISTRY) if cutoff_ms >= interval.add(trained_to_ms, after) else []
        if published:
            return list(REGISTRY)
        state = self._desk.source.read_states().get((symbol, interval.value))
        if state is None or state.klines < MIN_KLINES:
            return []
        is_current = state.lag_ms <= _CURRENT_STEPS * interval.typical_ms
        return [BASELINE] if is_current else []

    def _ask_training(self, symbol: str, interval: Interval, models: list[str]) -> None:
        now_ms = self._desk.clock.now_ms()
        job, is_new = submit_training(self._desk.store, symbol, interval, models, now_ms)
        if is_new:
            log.info("training_asked", symbol=symbol, interval=interval.value, job=job.id)

    def _forecast_all(
        self, symbol: str, interval: Interval, cutoff_ms: int, published: dict[str, Published]
    ) -> None:
        with self._desk.store.read() as connection:
            series = find_series(connection, symbol, interval)
            stored = read_forecasts(connection, series, cutoff_ms=cutoff_ms, limit=100)
        # A model that was retrained since has its forecast from this kline already.
        done = {forecast.model for forecast in stored}
        for model, bundle in published.items():
            if model in done:
                continue
            try:
                forecast = self._forecaster.forecast_with(symbol, interval, bundle)
            except FatalError as error:
                log.error("forecast_failed", version=bundle.version, reason=error.detail)
                continue
            log.info("forecast_made", forecast_id=forecast.forecast_id, state=forecast.state)
