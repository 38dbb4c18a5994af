"""`GET /v1/status`, `/v1/symbols` and `/v1/jobs`."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api_historic.native.parameters import JobsQuery, NoQuery, only
from api_historic.service import VERSION, Service
from market.shapes import Job, JobPage, SeriesShape, StatusShape, SymbolPage, SymbolShape
from market.store.jobs import read_job, read_jobs
from market.store.symbols import SeriesExtent, read_extents, read_symbols


def build_catalogue_router(service: Service) -> APIRouter:
    """Return the routes that tell what the installation holds and does."""
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

    @router.get("/v1/symbols", dependencies=[Depends(only(NoQuery))])
    def symbols() -> SymbolPage:
        """Return every known symbol and what is stored of it."""
        return read_catalogue(service)

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


def read_catalogue(service: Service) -> SymbolPage:
    """Return every known symbol with the extent of each stored series."""
    now_ms = service.now_ms()
    with service.store.read() as connection:
        symbols = read_symbols(connection)
        extents = read_extents(connection)
    of_symbol: dict[int, list[SeriesShape]] = defaultdict(list)
    for extent in extents:
        of_symbol[extent.series.symbol_id].append(_series(extent, now_ms))
    return SymbolPage(
        symbols=[
            SymbolShape(
                symbol=symbol.symbol,
                status=symbol.status,
                base_asset=symbol.base_asset,
                quote_asset=symbol.quote_asset,
                series=of_symbol[number],
            )
            for number, symbol in symbols
        ]
    )


def _series(extent: SeriesExtent, now_ms: int) -> SeriesShape:
    interval = extent.series.interval
    return SeriesShape(
        interval=interval.value,
        count=extent.rows,
        first_open_ms=extent.first_open_ms,
        last_open_ms=extent.last_open_ms,
        watermark_ms=extent.watermark_ms,
        lag_ms=now_ms - interval.close_of(extent.last_open_ms),
    )
