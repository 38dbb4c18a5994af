from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from market.errors import Conflict, NotFound
from market.shapes import JobStep
from market.store import Store
from market.store.jobs import (
    cancel_job,
    end_job,
    read_job,
    read_jobs,
    report_job,
    submit_job,
    take_job,
)

REQUEST = {"symbol": "BTCUSDT", "interval": "1h", "models": ["ridge"]}
LEASE_MS = 1_000


def take(store: Store, owner: str = "worker", clock_ms: int = 0):  # type: ignore[no-untyped-def]
    return take_job(store, "training", owner, clock_ms, LEASE_MS)


def state(store: Store, job_id: str) -> str:
    with store.read() as connection:
        return read_job(connection, job_id).state


def test_job_goes_from_queued_to_done(store: Store) -> None:
    job, is_new = submit_job(store, "training", REQUEST, 10)
    assert (is_new, job.state, job.request) == (True, "queued", REQUEST)

    taken = take(store)
    assert (taken.id, taken.state) == (job.id, "running")
    step = JobStep(name="ridge", detail="fitted")
    halfway = taken.model_copy(update={"progress": 0.5, "steps": [step]})
    report_job(store, halfway, "worker", now_ms=20, lease_until_ms=2_000)
    with store.read() as connection:
        assert read_job(connection, job.id) == halfway.model_copy(update={"changed_ms": 20})
    end_job(store, job.id, "worker", "done", error=None, now_ms=30)

    with store.read() as connection:
        ended = read_job(connection, job.id)
    assert (ended.state, ended.progress, ended.steps) == ("done", 1.0, [step])
    assert take(store, clock_ms=10_000) is None


def test_failed_job_says_why(store: Store) -> None:
    job, _ = submit_job(store, "training", REQUEST, 10)
    take(store)

    end_job(store, job.id, "worker", "failed", error="not enough klines: żółw", now_ms=30)

    with store.read() as connection:
        ended = read_job(connection, job.id)
    assert (ended.state, ended.error) == ("failed", "not enough klines: żółw")


def test_same_request_is_queued_once(store: Store) -> None:
    first, _ = submit_job(store, "training", REQUEST, 10)

    second, is_new = submit_job(store, "training", dict(reversed(REQUEST.items())), 11)

    assert (second, is_new) == (first, False)
    take(store)
    assert submit_job(store, "training", REQUEST, 12)[1] is False


def test_ended_request_can_be_queued_again(store: Store) -> None:
    first, _ = submit_job(store, "training", REQUEST, 10)
    take(store)
    end_job(store, first.id, "worker", "failed", error="no data", now_ms=11)

    second, is_new = submit_job(store, "training", REQUEST, 12)

    assert is_new
    assert second.id != first.id
    with store.read() as connection:
        assert [job.id for job in read_jobs(connection, "training")] == [second.id, first.id]
        assert read_jobs(connection, "tuning") == []


def test_request_submitted_at_once_is_queued_once(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: submit_job(store, "training", REQUEST, 1), range(12)))

    assert len({job.id for job, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1


def test_each_job_is_taken_by_one_worker(store: Store) -> None:
    submitted = {submit_job(store, "training", {"n": n}, n)[0].id for n in range(12)}

    def work(owner: int) -> list[str]:
        taken = []
        while (job := take(store, f"worker {owner}")) is not None:
            taken.append(job.id)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = Counter(job_id for ids in pool.map(work, range(4)) for job_id in ids)

    assert taken == Counter(submitted)


def test_oldest_job_of_the_kind_comes_first(store: Store) -> None:
    submit_job(store, "tuning", {"n": 0}, 1)
    second, _ = submit_job(store, "training", {"n": 2}, 20)
    first, _ = submit_job(store, "training", {"n": 1}, 10)

    assert [take(store).id, take(store).id, take(store)] == [first.id, second.id, None]


def test_job_of_a_dead_worker_is_taken_over(store: Store) -> None:
    job, _ = submit_job(store, "training", REQUEST, 10)
    held = take(store, "first", clock_ms=0)
    assert take(store, "second", clock_ms=LEASE_MS) is None

    assert take(store, "second", clock_ms=LEASE_MS + 1).id == job.id

    with pytest.raises(Conflict, match="first"):
        report_job(store, held, "first", now_ms=1, lease_until_ms=9_999)
    with pytest.raises(Conflict, match="first"):
        end_job(store, job.id, "first", "done", error=None, now_ms=2)
    assert state(store, job.id) == "running"


def test_report_renews_the_lease(store: Store) -> None:
    submit_job(store, "training", REQUEST, 10)
    job = take(store)

    for _ in range(2):  # the same twice: nothing changes, and it is still this worker's
        report_job(store, job, "worker", now_ms=10, lease_until_ms=50_000)

    assert take(store, "other", clock_ms=40_000) is None


def test_cancelled_job_stops_its_worker(store: Store) -> None:
    submit_job(store, "training", REQUEST, 10)
    job = take(store)

    cancelled = cancel_job(store, job.id, 20)

    assert cancelled.state == "cancelled"
    with pytest.raises(Conflict):
        report_job(store, job, "worker", now_ms=30, lease_until_ms=9_999)
    with pytest.raises(Conflict):
        end_job(store, job.id, "worker", "cancelled", error=None, now_ms=30)
    with pytest.raises(Conflict, match="cancelled"):
        cancel_job(store, job.id, 40)
    assert submit_job(store, "training", REQUEST, 50)[1]


def test_end_of_a_job_another_worker_ended_is_a_conflict(store: Store) -> None:
    job, _ = submit_job(store, "training", REQUEST, 10)
    take(store, "first", clock_ms=0)
    take(store, "second", clock_ms=LEASE_MS + 1)
    end_job(store, job.id, "second", "done", error=None, now_ms=20)

    with pytest.raises(Conflict, match="first"):
        end_job(store, job.id, "first", "done", error=None, now_ms=30)


def test_unknown_job_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="nothing"), store.read() as connection:
        read_job(connection, "nothing")
    with pytest.raises(NotFound, match="nothing"):
        cancel_job(store, "nothing", 1)
