"""The scheduler: forecasts on every closed kline, and asks for trainings when they are due."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from prometheus_client import Counter, Gauge

from forecasting.artefacts import Published
from forecasting.desk import Desk, SeriesName
from forecasting.jobs import submit_training
from forecasting.recipe import MIN_KLINES, retrain_klines
from forecasting.registry import BASELINE, REGISTRY
from forecasting.serve.forecaster import Forecaster
from market.errors import FatalError, KlinecastError
from market.forecast import forecast_id
from market.interval import Interval
from market.log import get_logger
from market.store.forecast_ledger import read_forecasts
from market.store.symbols import find_series

log = get_logger()

_CUTOFF = Gauge(
    "models_newest_cutoff_ms", "Newest kline that was forecast from.", ["symbol", "interval"]
)
_BROKEN = Counter(
    "models_broken_tasks_total",
    "Tasks of the scheduler that failed in a way that was not foreseen.",
    ["symbol", "interval", "task"],
)
#: A series is kept up with while its newest close is at most this many steps old.
_CURRENT_STEPS = 2
#: Seconds after which a task that broke is tried again.
_ASIDE_S = 60.0


class Task(NamedTuple):
    """One thing to do for one series: to look at it, to ask for its training, or one forecast.

    `name` is `look`, `training` or a model's, `subject` the id of the forecast to make; `run`
    returns the tasks that follow. The task `round`, of all series, is to look at each.
    """

    symbol: str
    interval: str
    name: str
    run: Callable[[], list[Task]]
    subject: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Return what tells the task from all others."""
        return self.symbol, self.interval, self.name, self.subject

    @property
    def words(self) -> dict[str, str]:
        """Return the task as a log event names it."""
        return {"symbol": self.symbol, "interval": self.interval, "task": self.name}


class Scheduler:
    """Works through the followed series, again and again, counting closed klines only."""

    def __init__(
        self,
        desk: Desk,
        forecaster: Forecaster,
        series: Iterable[SeriesName],
        retrain_after: int | None,
        *,
        aside_s: float = _ASIDE_S,
    ) -> None:
        self._desk = desk
        self._forecaster = forecaster
        self._series = series
        self._retrain_after = retrain_after
        self._aside_s = aside_s
        self._aside_until_s: dict[tuple[str, ...], float] = {}
        self._tried: dict[tuple[str, Interval, str], str] = {}
        self._asked: dict[SeriesName, tuple[int, list[str]]] = {}

    def start(self, stop: threading.Event, poll_s: float) -> threading.Thread:
        """Run rounds in a daemon thread until `stop` is set."""
        thread = threading.Thread(
            target=self.run, args=(stop, poll_s), name="scheduler", daemon=True
        )
        thread.start()
        return thread

    def run(self, stop: threading.Event, poll_s: float | None = None) -> None:
        """Do what is due for every series, until `stop` is set; without `poll_s`, one round.

        A task that waits or breaks holds up no other one.
        """
        whole_round = Task("all", "all", "round", self._plan_looks)
        tasks = deque([whole_round])
        while not stop.is_set():
            if not tasks:
                if poll_s is None:
                    return
                stop.wait(poll_s)
                tasks.append(whole_round)
                continue
            task = tasks.popleft()
            try:
                tasks.extendleft(reversed(self._do(task)))
            except Exception as error:  # the thread's outermost loop
                log.error("task_broke", **task.words, exc_info=error)
                self._set_aside(task)

    def _plan_looks(self) -> list[Task]:
        return [
            Task(symbol, interval.value, "look", partial(self._look, symbol, interval))
            for symbol, interval in self._series
        ]

    def _do(self, task: Task) -> list[Task]:
        if time.monotonic() < self._aside_until_s.get(task.key, 0.0):
            return []
        try:
            return task.run()
        except KlinecastError as error:
            log.warning("task_waits", **task.words, reason=error.detail)
            return []

    def _set_aside(self, task: Task) -> None:
        _BROKEN.labels(task.symbol, task.interval, task.name).inc()
        now_s = time.monotonic()
        waiting = {key: end_s for key, end_s in self._aside_until_s.items() if now_s < end_s}
        self._aside_until_s = {**waiting, task.key: now_s + self._aside_s}

    def _look(self, symbol: str, interval: Interval) -> list[Task]:
        newest_ms = self._desk.source.newest_open_ms(symbol, interval)
        if newest_ms is None:
            return []
        cutoff_ms = interval.floor(newest_ms)
        published = self._desk.artefacts.newest(symbol, interval)
        ask = partial(self._ask_training, symbol, interval, cutoff_ms, published)
        tasks = [Task(symbol, interval.value, "training", ask)]
        for model, bundle in published.items():
            subject = forecast_id(symbol, interval.value, bundle.version, cutoff_ms)
            if self._tried.get((symbol, interval, model)) != subject:
                run = partial(self._forecast, symbol, interval, cutoff_ms, bundle)
                tasks.append(Task(symbol, interval.value, model, run, subject))
        return tasks

    def _ask_training(
        self, symbol: str, interval: Interval, cutoff_ms: int, published: dict[str, Published]
    ) -> list[Task]:
        models = self._due_models(symbol, interval, cutoff_ms, published)
        if models and self._asked.get((symbol, interval)) != (cutoff_ms, models):
            now_ms = self._desk.clock.now_ms()
            job, is_new = submit_training(self._desk.store, symbol, interval, models, now_ms)
            if is_new:
                log.info("training_asked", symbol=symbol, interval=interval.value, job=job.id)
            self._asked[(symbol, interval)] = (cutoff_ms, models)
        return []

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

    def _forecast(
        self, symbol: str, interval: Interval, cutoff_ms: int, bundle: Published
    ) -> list[Task]:
        # A model that was retrained since has its forecast from this kline already.
        with self._desk.store.read() as connection:
            series = find_series(connection, symbol, interval)
            stored = read_forecasts(connection, series, model=bundle.model, cutoff_ms=cutoff_ms)
        try:
            if not stored:
                made = self._forecaster.forecast_with(symbol, interval, bundle)
                log.info("forecast_made", forecast_id=made.forecast_id, state=made.state)
            _CUTOFF.labels(symbol, interval.value).set(cutoff_ms)
        except FatalError as error:
            log.error("forecast_failed", version=bundle.version, reason=error.detail)
        subject = forecast_id(symbol, interval.value, bundle.version, cutoff_ms)
        self._tried[(symbol, interval, bundle.model)] = subject
        return []
