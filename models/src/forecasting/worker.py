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

    def run(self, poll_s: float) -> None:
        """Take and run jobs until the stop event is set."""
        while not self._stop.is_set():
            try:
                worked = self.run_one()
            except RetryableError as error:
                log.warning("worker_waits", reason=error.detail)
                worked = False
            if not worked:
                self._stop.wait(poll_s)

    def run_waiting(self) -> None:
        """Run jobs until none waits, or the stop event is set."""
        while not self._stop.is_set() and self.run_one():
            pass

    def run_one(self) -> bool:
        """Take the oldest free job and run it; tell whether there was one."""
        store = self._desk.store
        job = take_job(store, KIND, self._owner, machine_ms(), int(self._lease_s * 1000))
        if job is None:
            return False
        with _SECONDS.time():
            state = self._run(job)
        _TRAININGS.labels(state).inc()
        log.info("training_ended", job=job.id, state=state, **job.request)
        return True

    def _run(self, job: Job) -> str:
        fresh = job.model_copy(update={"progress": 0.0, "steps": []})
        lease = Lease(self._desk.store, fresh, self._owner, self._desk.clock, self._lease_s)

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
        except Exception as error:
            log.error("training_broke", job=job.id, exc_info=error)
            lease.end("failed", f"it broke in a way that was not foreseen: {error}")
            return "failed"
        lease.end("done")
        return "done"


def order_of(job: Job) -> Order:
    """Return what a job asks to be trained."""
    request = job.request
    return Order(
        request["symbol"],
        Interval.parse(request["interval"]),
        tuple(check_models(request["models"])),
    )
