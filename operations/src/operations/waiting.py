"""Waiting for a start to succeed, with progress, and naming what keeps it from doing so."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from market.command import stderr
from operations.catalogue import Service
from operations.probe import (
    Health,
    Training,
    ask_health,
    fetch_newest_forecast,
    fetch_trainings,
)

_POLL_S = 0.5
_REMIND_S = 15.0
#: A service that ended this often during one start will not come up by itself.
_HOPELESS_RESTARTS = 4
_HOPELESS_TRAININGS = 2
#: The series whose first forecast ends the start of a demo.
FIRST_SERIES = ("BTCUSDT", "1h")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a start failed: the service to look at (None: no single one), and the reason."""

    service: str | None
    reason: str


#: Per service, how often it was restarted; None when nothing supervises any more.
RestartCounts = Callable[[], Mapping[str, int] | None]


class Progress:
    """Lines on stderr that say how far a start is, each with the seconds since it began."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._said_at = self._began

    @property
    def seconds(self) -> float:
        """Seconds since the start began."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        """Show a line."""
        self._said_at = time.monotonic()
        stderr.print(f"[{self.seconds:5.1f} s] {text}", markup=False)

    def remind(self, text: str) -> None:
        """Show a line when nothing was said for a while."""
        if time.monotonic() - self._said_at >= _REMIND_S:
            self.say(text)


def wait_until_ready(
    services: Sequence[Service], counts: RestartCounts, progress: Progress, timeout_s: float
) -> Failure | None:
    """Wait until every service answers 200 on /readyz; return what stood in the way, if any.

    Args:
        timeout_s: seconds after the start of `progress` at which waiting ends.
    """
    waiting = {service.name: service for service in services}
    reasons: dict[str, str] = {}
    before = dict(counts() or {})
    while waiting:
        restarts = counts()
        if restarts is None:
            return Failure("supervisor", "the supervisor ended")
        for name, service in list(waiting.items()):
            health = _health(service, restarts)
            if health.ready:
                progress.say(f"{service.title} is ready")
                del waiting[name]
                continue
            reasons[name] = health.reason
            if restarts.get(name, 0) - before.get(name, 0) >= _HOPELESS_RESTARTS:
                return Failure(name, "it ends again and again")
        if waiting:
            first = next(iter(waiting))
            if progress.seconds > timeout_s:
                return Failure(first, f"not ready after {timeout_s:.0f} s: {reasons[first]}")
            progress.remind(f"waiting for {waiting[first].title}: {reasons[first]}")
            time.sleep(_POLL_S)
    return None


def _health(service: Service, restarts: Mapping[str, int]) -> Health:
    if service.health_url is None and service.name not in restarts:
        return Health(False, "not started yet")
    return ask_health(service)


def wait_for_forecast(
    history_url: str, counts: RestartCounts, progress: Progress, timeout_s: float
) -> Failure | None:
    """Wait until the history API serves a forecast of BTCUSDT 1h."""
    before = dict(counts() or {})
    progress.say("waiting for the first forecast: klines are loaded, then models are trained")
    while fetch_newest_forecast(history_url, *FIRST_SERIES) is None:
        restarts = counts()
        if restarts is None:
            return Failure("supervisor", "the supervisor ended")
        for name, count in restarts.items():
            if count - before.get(name, 0) >= _HOPELESS_RESTARTS:
                return Failure(name, "it ends again and again")
        trainings = fetch_trainings(history_url, *FIRST_SERIES)
        failed = [training for training in trainings if training.state == "failed"]
        if len(failed) >= _HOPELESS_TRAININGS and trainings[0].state == "failed":
            return Failure("trainer", f"training failed: {failed[0].error}")
        series = " ".join(FIRST_SERIES)
        if progress.seconds > timeout_s:
            return Failure("trainer", f"no forecast of {series} after {timeout_s:.0f} s")
        progress.remind(f"still waiting: {_say_training(trainings, series)}")
        time.sleep(_POLL_S)
    progress.say("the first forecast is served")
    return None


def _say_training(trainings: Sequence[Training], series: str) -> str:
    if not trainings:
        return f"the klines of {series} are being loaded"
    return f"training for {series} is {trainings[0].state}, {trainings[0].progress:.0%}"
