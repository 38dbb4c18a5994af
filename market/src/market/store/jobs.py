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


def submit_job(store: Store, kind: str, request: dict[str, Any], now_ms: int) -> tuple[Job, bool]:
    """Queue a job, or return the one already queued or running for the same request.

    Returns:
        The job, and whether it is a new one.
    """
    job_id = secrets.token_hex(8)
    body = orjson.dumps(request, option=orjson.OPT_SORT_KEYS)
    row = {
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
    try:
        with store.begin() as connection:
            connection.execute(t.jobs.insert().values(**row))
            return read_job(connection, job_id), True
    except IntegrityError:
        with store.read() as connection:
            query = select(t.jobs).where(t.jobs.c.active_key == row["active_key"])
            found = connection.execute(query).one_or_none()
    if found is None:  # it ended between the two statements
        return submit_job(store, kind, request, now_ms)
    return _job(found), False


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
    with store.begin() as connection:
        query = select(j.id).where(j.kind == kind, free).order_by(j.created_ms, j.id).limit(1)
        job_id = connection.execute(query).scalar_one_or_none()
        if job_id is None:
            return None
        taken = connection.execute(
            t.jobs.update()
            .where(j.id == job_id, free)
            .values(state="running", lease_owner=owner, lease_until_ms=clock_ms + lease_ms)
        )
        return read_job(connection, job_id) if taken.rowcount == 1 else None


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
    with store.begin() as connection:
        job = read_job(connection, job_id)
        if job.state in ENDED:
            raise Conflict(f"job {job_id} is {job.state} and can't be cancelled")
        connection.execute(
            t.jobs.update()
            .where(t.jobs.c.id == job_id)
            .values(
                state="cancelled",
                changed_ms=now_ms,
                active_key=None,
                lease_owner=None,
                lease_until_ms=None,
            )
        )
        return read_job(connection, job_id)


def _update(store: Store, job_id: str, owner: str, **values: Any) -> None:
    j = t.jobs.c
    with store.begin() as connection:
        mine = t.jobs.update().where(j.id == job_id, j.lease_owner == owner, j.state == "running")
        connection.execute(mine.values(**values))
        # MySQL counts changed rows, not matched ones: look instead of counting.
        row = connection.execute(select(j.lease_owner, j.state).where(j.id == job_id)).one_or_none()
        ending = values.get("state", "running")
        kept = (ending == "running" and row == (owner, "running")) or (
            row is not None and ending != "running" and row.state == ending
        )
        if not kept:
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
