"""Training jobs: what they are asked for with, and a lease on one that is being run."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

from forecasting.registry import check_models
from market.clock import ExchangeClock
from market.errors import Conflict, RetryableError
from market.interval import Interval
from market.log import get_logger, mask_text
from market.shapes import Job, JobState, JobStep
from market.store import Store
from market.store.jobs import end_job, report_job, submit_job

log = get_logger()

KIND = "training"
#: Seconds after which a job whose dependency was away is tried again.
RETRY_S = 15.0


def machine_ms() -> int:
    """Return the machine's time: leases are time-outs, not facts of the market."""
    return time.time_ns() // 1_000_000


def submit_training(
    store: Store, symbol: str, interval: Interval, models: list[str] | None, now_ms: int
) -> tuple[Job, bool]:
    """Queue a training, or return the one already queued or running for the same series.

    Raises:
        InvalidParameter: a model is not known.
    """
    request: dict[str, Any] = {
        "symbol": symbol,
        "interval": interval.value,
        "models": check_models(models),
    }
    return submit_job(store, KIND, request, now_ms)


class Stopped(Exception):
    """The process was asked to end; the job goes back to the queue."""


class JobLost(Exception):
    """The job was cancelled, or another worker holds it now."""


class Lease:
    """A job this process holds: its progress is reported, its lease renewed in the background.

    Held for the length of a `with` block. A job that neither ended nor was given back when an
    error leaves the block has failed by that error.
    """

    def __init__(
        self, store: Store, job: Job, owner: str, clock: ExchangeClock, lease_s: float
    ) -> None:
        self._store = store
        self._job = job
        self._owner = owner
        self._clock = clock
        self._lease_ms = int(lease_s * 1000)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not (self._ended.is_set() or self._lost.is_set()):
            first_line = mask_text(f"{type(error).__name__}: {error}").splitlines()[0]
            self.end("failed", f"it broke in a way that was not foreseen: {first_line}")
        self._stop_renewing()

    def report(self, name: str, detail: str, progress: float) -> None:
        """Write down that a step ended.

        Raises:
            JobLost: the job is no longer this process's.
        """
        log.info("training_step", job=self._job.id, step=name, detail=detail)
        steps = [*self._job.steps, JobStep(name=name, detail=detail)]
        with self._lock:
            self._job = self._job.model_copy(update={"progress": progress, "steps": steps})
        self._write(self._lease_ms)
        self.check()

    def check(self) -> None:
        """Raise JobLost where the job is no longer this process's."""
        if self._lost.is_set():
            raise JobLost

    def end(self, state: JobState, error: str | None = None) -> None:
        """End the job; where it is no longer this process's, nothing changes."""
        self._stop_renewing()
        try:
            end_job(
                self._store,
                self._job.id,
                self._owner,
                state,
                error=error,
                now_ms=self._clock.now_ms(),
            )
        except Conflict:
            self._lost.set()

    def release(self, after_s: float = 0.0) -> None:
        """Give the job back: any worker may take it, at once or after some seconds."""
        self._stop_renewing()
        self._write(int(after_s * 1000) - 1)

    def _stop_renewing(self) -> None:
        self._ended.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._ended.wait(self._lease_ms / 3000):
            try:
                self._write(self._lease_ms)
            except RetryableError as error:
                log.warning("lease_not_renewed", job=self._job.id, reason=error.detail)
            if self._lost.is_set():
                return

    def _write(self, lease_ms: int) -> None:
        with self._lock:
            try:
                report_job(
                    self._store,
                    self._job,
                    self._owner,
                    now_ms=self._clock.now_ms(),
                    lease_until_ms=machine_ms() + lease_ms,
                )
            except Conflict:
                self._lost.set()
