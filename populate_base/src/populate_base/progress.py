"""Showing how far a backfill is: a bar in a terminal, log events elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from market.log import get_logger
from market.store.symbols import Series

log = get_logger()

_LOG_EVERY_S = 5.0


class ProgressDisplay(Protocol):
    """What a backfill tells of its progress; counts are klines."""

    def start(self, series: Series, wanted: int) -> None:
        """A series begins that misses so many klines."""

    def advance(self, klines: int, source: str) -> None:
        """So many klines arrived."""

    def finish(self) -> None:
        """The series ended."""


class LoggedProgress:
    """Progress as log events: one at each end and one every few seconds between."""

    def start(self, series: Series, wanted: int) -> None:
        """See `ProgressDisplay`."""
        self._fields = {"symbol": series.symbol, "interval": series.interval.value}
        self._wanted, self._done = wanted, 0
        self._started_s = self._logged_s = time.monotonic()
        log.info("backfill_started", klines=wanted, **self._fields)

    def advance(self, klines: int, source: str) -> None:
        """See `ProgressDisplay`."""
        self._done += klines
        now_s = time.monotonic()
        if now_s - self._logged_s >= _LOG_EVERY_S and self._done > 0:
            self._logged_s = now_s
            per_second = self._done / (now_s - self._started_s)
            left_s = max(self._wanted - self._done, 0) / per_second
            log.info(
                "backfill_progress",
                done=self._done,
                klines=self._wanted,
                source=source,
                klines_per_second=round(per_second),
                eta_seconds=round(left_s),
                **self._fields,
            )

    def finish(self) -> None:
        """See `ProgressDisplay`."""
        seconds = time.monotonic() - self._started_s
        log.info("backfill_ended", done=self._done, seconds=round(seconds, 2), **self._fields)


class _SpeedColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} klines/s")


class BarProgress:
    """Progress as a bar for each series; a context manager that keeps the terminal."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _SpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[source]}"),
            console=console,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> BarProgress:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def start(self, series: Series, wanted: int) -> None:
        """See `ProgressDisplay`."""
        name = f"{series.symbol} {series.interval}"
        self._task = self._bars.add_task(name, total=wanted, source="")

    def advance(self, klines: int, source: str) -> None:
        """See `ProgressDisplay`."""
        if self._task is not None:
            self._bars.update(self._task, advance=klines, source=source)

    def finish(self) -> None:
        """See `ProgressDisplay`."""
        if self._task is not None:
            self._bars.update(self._task, source="done")
