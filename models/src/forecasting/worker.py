"""The worker: takes training jobs under a lease and runs them, one at a time."""

from __future__ import annotations

import os
import secrets
import threading

from prometheus_client import Counter, Histogram

from forecasting.desk import Desk
from forecasting.jobs import KIND, RETRY_S, JobLost, Lease, Stopped, machine_ms
from forecasting.registry import check_models
from forecasting.training import Order, run_training
from market.errors import KlinecastError, RetryableError
from market.interval import Interval
from market.log import get_logger
from market.shapes import Job
from market.store.jobs import take_job

log = get_logger()

_TRAININGS = Counter("models_trainings_total", "Trainings that ended, by how.", ["state"])
_SECONDS = Histogram(
    "models_training_seconds", "Time a training took.", buckets=(1, 3, 10, 30, 60, 120, 300, 900)
)


class Worker:
    """Runs training jobs until it is asked to stop."""

    def __init__(self, desk: Desk, stop: threading.Event, lease_s: float) -> None:
        self._desk = desk
        self._stop = stop
        self._lease_s = lease_s
        self._owner = f"worker-{os.getpid()}-{secrets.token_hex(4)}"

    def run(self, poll_s: float | None = None) -> None:
        """Take and run jobs until the stop event is set; without `poll_s`, until none waits.

        A job that breaks has failed by name, and the next one is taken.
        """
        while not self._stop.is_set():
            job = None
            try:
                job = self._take()
                if job is not None:
                    self._run(job)
            except Exception as error:  # the process's outermost loop
                if job is None and poll_s is None:
                    raise
                _tell(job, error)
            if job is not None:
                continue
            if poll_s is None:
                return
            self._stop.wait(poll_s)

    def _take(self) -> Job | None:
        lease_ms = int(self._lease_s * 1000)
        return take_job(self._desk.store, KIND, self._owner, machine_ms(), lease_ms)

    def _run(self, job: Job) -> None:
        fresh = job.model_copy(update={"progress": 0.0, "steps": []})
        state = "failed"
        lease = Lease(self._desk.store, fresh, self._owner, self._desk.clock, self._lease_s)
        try:
            with _SECONDS.time(), lease:
                state = self._train(job, lease)
        finally:
            _TRAININGS.labels(state).inc()
            log.info("training_ended", job=job.id, state=state, request=job.request)

    def _train(self, job: Job, lease: Lease) -> str:
        def checkpoint() -> None:
            lease.check()
            if self._stop.is_set():
                raise Stopped

        try:
            run_training(self._desk, order_of(job), lease.report, checkpoint)
        except JobLost:
            return "lost"
        except Stopped:
            lease.release()
            return "released"
        except RetryableError as error:
            log.warning("training_waits", job=job.id, reason=error.detail)
            lease.release(RETRY_S)
            return "released"
        except KlinecastError as error:
            lease.end("failed", error.detail)
            return "failed"
        lease.end("done")
        return "done"


def _tell(job: Job | None, error: Exception) -> None:
    name = None if job is None else job.id
    if isinstance(error, RetryableError):
        log.warning("worker_waits", job=name, reason=error.detail)
    else:
        log.error("worker_broke", job=name, exc_info=error)


def order_of(job: Job) -> Order:
    """Return what a job asks to be trained."""
    request = job.request
    return Order(
        request["symbol"],
        Interval.parse(request["interval"]),
        tuple(check_models(request["models"])),
    )
