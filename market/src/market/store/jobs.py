"""Jobs: long work asked for over HTTP, taken by a worker under a lease.

Lease times are the machine's clock in ms: a lease is a time-out, not a fact of the market.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import orjson
from sqlalchemy import Connection, Row, or_, select
from sqlalchemy.exc import IntegrityError

from market.errors import Conflict, NotFound
from market.shapes import Job, JobState, JobStep
from market.store import tables as t
from market.store.engine import Store

ENDED: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})
_ATTEMPTS = 10


def submit_job(store: Store, kind: str, request: dict[str, Any], now_ms: int) -> tuple[Job, bool]:
    """Queue a job, or return the one already queued or running for the same request.

    Returns:
        The job, and whether it is a new one.

    Raises:
        Conflict: others queued and ended the same request at every try.
    """
    job_id = secrets.token_hex(8)
    body = orjson.dumps(request, option=orjson.OPT_SORT_KEYS)
    row: dict[str, Any] = {
        "id": job_id,
        "kind": kind,
        "state": "queued",
        "request": body.decode(),
        "progress": 0.0,
        "steps": "[]",
        "created_ms": now_ms,
        "changed_ms": now_ms,
        "active_key": hashlib.sha256(kind.encode() + b"\n" + body).hexdigest(),
    }
    for _ in range(_ATTEMPTS):
        try:
            return store.transact(lambda connection: _insert(connection, row)), True
        except IntegrityError:
            found = _read_active(store, row["active_key"])
        if found is not None:
            return found, False
        # It ended between the two looks: the next try may queue a new one.
    raise Conflict(f"the {kind} could not be queued: others like it kept coming and ending")


def _insert(connection: Connection, row: dict[str, Any]) -> Job:
    connection.execute(t.jobs.insert().values(**row))
    return read_job(connection, row["id"])


def _read_active(store: Store, active_key: str) -> Job | None:
    with store.read() as connection:
        query = select(t.jobs).where(t.jobs.c.active_key == active_key)
        found = connection.execute(query).one_or_none()
    return None if found is None else _job(found)


def read_job(connection: Connection, job_id: str) -> Job:
    """Return a job.

    Raises:
        NotFound: there is none of that id.
    """
    found = connection.execute(select(t.jobs).where(t.jobs.c.id == job_id)).one_or_none()
    if found is None:
        raise NotFound(f"job {job_id!r} does not exist")
    return _job(found)


def read_jobs(connection: Connection, kind: str | None = None, limit: int = 100) -> list[Job]:
    """Return jobs, newest first."""
    query = select(t.jobs).order_by(t.jobs.c.created_ms.desc(), t.jobs.c.id).limit(limit)
    if kind is not None:
        query = query.where(t.jobs.c.kind == kind)
    return [_job(row) for row in connection.execute(query)]


def take_job(store: Store, kind: str, owner: str, clock_ms: int, lease_ms: int) -> Job | None:
    """Take the oldest job that waits, or whose worker's lease ran out; `None` if there is none."""
    j = t.jobs.c
    free = or_(j.state == "queued", (j.state == "running") & (j.lease_until_ms < clock_ms))
    oldest = select(j.id).where(j.kind == kind, free).order_by(j.created_ms, j.id).limit(1)
    lease = {"state": "running", "lease_owner": owner, "lease_until_ms": clock_ms + lease_ms}

    def work(connection: Connection) -> Job | None:
        while (job_id := connection.execute(oldest).scalar_one_or_none()) is not None:
            take = t.jobs.update().where(j.id == job_id, free).values(**lease)
            if connection.execute(take).rowcount == 1:
                return read_job(connection, job_id)
            # Another worker was quicker: look for the next one.
        return None

    return store.transact(work)


def report_job(
    store: Store,
    job: Job,
    owner: str,
    *,
    now_ms: int,
    lease_until_ms: int,
) -> None:
    """Write a running job's progress and steps, and renew its lease.

    Raises:
        Conflict: the job is no longer this worker's (cancelled, or the lease ran out).
    """
    _update(
        store,
        job.id,
        owner,
        progress=job.progress,
        steps=orjson.dumps([step.model_dump() for step in job.steps]).decode(),
        changed_ms=now_ms,
        lease_until_ms=lease_until_ms,
    )


def end_job(
    store: Store, job_id: str, owner: str, state: JobState, *, error: str | None, now_ms: int
) -> None:
    """End a running job as done, failed or cancelled.

    Raises:
        Conflict: the job is no longer this worker's.
    """
    values: dict[str, Any] = {"state": state, "error": error, "changed_ms": now_ms}
    if state == "done":
        values["progress"] = 1.0
    _update(store, job_id, owner, **values, active_key=None, lease_owner=None, lease_until_ms=None)


def cancel_job(store: Store, job_id: str, now_ms: int) -> Job:
    """Cancel a job that waits or runs; its worker stops at its next report.

    Raises:
        NotFound: there is none of that id.
        Conflict: it has ended already.
    """
    j = t.jobs.c
    ended = {
        "state": "cancelled",
        "changed_ms": now_ms,
        "active_key": None,
        "lease_owner": None,
        "lease_until_ms": None,
    }

    def work(connection: Connection) -> Job:
        running = t.jobs.update().where(j.id == job_id, j.state.not_in(ENDED)).values(**ended)
        cancelled = connection.execute(running).rowcount == 1
        job = read_job(connection, job_id)
        if not cancelled:
            raise Conflict(f"job {job_id} is {job.state} and can't be cancelled")
        return job

    return store.transact(work)


def _update(store: Store, job_id: str, owner: str, **values: Any) -> None:
    j = t.jobs.c
    mine = t.jobs.update().where(j.id == job_id, j.lease_owner == owner, j.state == "running")
    # The driver counts rows that matched, also where nothing changed.
    kept = store.transact(lambda connection: connection.execute(mine.values(**values)).rowcount)
    if kept != 1:
        raise Conflict(f"job {job_id} is no longer held by {owner}")


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        state=row.state,
        request=orjson.loads(row.request),
        progress=row.progress,
        steps=[JobStep(**step) for step in orjson.loads(row.steps)],
        error=row.error,
        created_ms=row.created_ms,
        changed_ms=row.changed_ms,
    )
