"""Trainings and other long work: a document a job, and one for each unit of it that ended.

The store keeps what a job reported, unit by unit, as a name and a text; those are the folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from forecast_sink.documents import Document
from forecast_sink.indices import RUNS
from forecast_sink.sources.scope import Found, Scope, Source
from market.errors import NotFound
from market.shapes import Job
from market.store import Store
from market.store import tables as t
from market.store.jobs import ENDED, read_job
from market.times import format_time

_PAGE = 500


def _read_documents(connection: Connection, keys: Sequence[str], scope: Scope) -> Found:
    found: Found = {}
    for key in keys:
        try:
            found[key] = build_run_documents(read_job(connection, key))
        except NotFound as error:
            found[key] = str(error)
    return found


def build_run_documents(job: Job) -> list[Document]:
    """Return the document of a job and those of its ended units, in their order."""
    request = job.request
    shared = {
        "run_id": job.id,
        "job": job.kind,
        **{name: request[name] for name in ("symbol", "interval") if request.get(name)},
        "created_at": format_time(job.created_ms),
        "changed_at": format_time(job.changed_ms),
        "state": job.state,
    }
    run: dict[str, Any] = {
        **shared,
        "kind": "run",
        "progress": job.progress,
        "is_done": int(job.state == "done"),
        "is_failed": int(job.state == "failed"),
    }
    if request.get("models"):
        run["model"] = request["models"]
    if job.state in ENDED:
        run["duration"] = (job.changed_ms - job.created_ms) / 1000
    if job.error:
        run["error"] = job.error
    folds = [
        Document(
            RUNS.alias,
            f"{job.id}|{position}",
            {
                **shared,
                "kind": "fold",
                "fold": step.name,
                "detail": step.detail,
                "position": position,
            },
        )
        for position, step in enumerate(job.steps, start=1)
    ]
    return [Document(RUNS.alias, job.id, run), *folds]


def _iter_keys(store: Store, scope: Scope) -> Iterator[list[str]]:
    j = t.jobs.c
    last = ""
    while True:
        query = select(j.id).where(j.id > last).order_by(j.id).limit(_PAGE)
        with store.read() as connection:
            ids = list(connection.execute(query).scalars())
        if not ids:
            return
        yield ids
        last = ids[-1]


RUN_SOURCE = Source(RUNS, _read_documents, _iter_keys)
