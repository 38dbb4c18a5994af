"""`GET /v1/status` and `/v1/jobs`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api_historic.native.parameters import JobsQuery, NoQuery, only
from api_historic.service import VERSION, Service
from market.shapes import Job, JobPage, StatusShape
from market.store.jobs import read_job, read_jobs


def build_catalogue_router(service: Service) -> APIRouter:
    """Return the routes that tell what the installation is and does."""
    router = APIRouter(tags=["installation"])

    @router.get("/v1/status", dependencies=[Depends(only(NoQuery))])
    def status() -> StatusShape:
        """Return the exchange's time and whether this is the demo."""
        return StatusShape(
            demo=service.demo,
            demo_ended=service.demo and service.clock.rate == 0,
            now_ms=service.now_ms(),
            rate=service.clock.rate,
            version=VERSION,
        )

    @router.get("/v1/jobs", dependencies=[Depends(only(JobsQuery))])
    def jobs(query: Annotated[JobsQuery, Query()]) -> JobPage:
        """Return jobs, newest first."""
        with service.store.read() as connection:
            return JobPage(jobs=read_jobs(connection, query.kind, query.limit))

    @router.get("/v1/jobs/{job_id}", dependencies=[Depends(only(NoQuery))])
    def job(job_id: str) -> Job:
        """Return one job."""
        with service.store.read() as connection:
            return read_job(connection, job_id)

    return router
