"""The model API: trainings, models and forecasts."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Query, Response

from forecasting.desk import Desk, SeriesName
from forecasting.jobs import KIND, submit_training
from forecasting.serve.catalogue import count_forecasts, list_known_models, list_models
from forecasting.serve.forecaster import Forecaster
from forecasting.serve.scheduler import Scheduler
from forecasting.serve.shapes import LedgerPage, ModelPage
from market.access.check import install_access
from market.access.settings import PUBLIC, AccessSettings
from market.api import install_manners
from market.errors import NotFound
from market.forecast import Forecast, ForecastRequest, TrainingRequest
from market.health import Readiness
from market.interval import Interval
from market.shapes import Job, JobAccepted, resolve_symbol
from market.store.jobs import read_job
from market.store.symbols import find_series


def create_app(
    desk: Desk,
    series: Iterable[SeriesName],
    *,
    poll_s: float,
    retrain_after: int | None,
    access: AccessSettings = PUBLIC,
) -> FastAPI:
    """Return the model API with its scheduler, which runs while the app does."""
    forecaster = Forecaster(desk)
    scheduler = Scheduler(desk, forecaster, series, retrain_after)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        thread = scheduler.start(stop, poll_s)
        yield
        stop.set()
        thread.join(timeout=8)

    app = FastAPI(
        title="Klinecast models",
        description="Trains models on klines, and forecasts with calibrated ranges.",
        version="0.1.0",
        lifespan=lifespan,
    )
    install_access(app, desk.store, access)
    install_manners(app, readiness_of(desk))
    _add_trainings(app, desk)
    _add_forecasts(app, desk, forecaster, series)
    return app


def readiness_of(desk: Desk) -> Readiness:
    """Return the dependencies of the service: store, history API and artefacts."""

    def asks_store() -> None:
        desk.store.check_schema()

    def asks_history() -> None:
        desk.source.ping()

    def asks_artefacts() -> None:
        desk.artefacts.ping()

    return Readiness({"store": asks_store, "history": asks_history, "artefacts": asks_artefacts})


def _add_trainings(app: FastAPI, desk: Desk) -> None:
    @app.post("/v1/trainings", status_code=202, tags=["trainings"])
    def post_training(request: TrainingRequest) -> JobAccepted:
        """Ask for a training; one that waits or runs for the same models is returned instead."""
        symbol = resolve_symbol(request.symbol, request.currency, request.compare)
        interval = Interval.parse(request.interval)
        with desk.store.read() as connection:
            find_series(connection, symbol, interval)
        job, _ = submit_training(desk.store, symbol, interval, request.models, desk.clock.now_ms())
        return JobAccepted(id=job.id, url=f"/v1/trainings/{job.id}")

    @app.get("/v1/trainings/{job_id}", tags=["trainings"])
    def get_training(job_id: str) -> Job:
        """Return a training: its state, its progress and the steps that ended."""
        with desk.store.read() as connection:
            job = read_job(connection, job_id)
        if job.kind != KIND:
            raise NotFound(f"training {job_id!r} does not exist")
        return job


def _add_forecasts(
    app: FastAPI, desk: Desk, forecaster: Forecaster, followed: Iterable[SeriesName]
) -> None:
    @app.get("/v1/models", tags=["models"])
    def get_models(
        symbol: Annotated[str | None, Query()] = None,
        currency: Annotated[str | None, Query()] = None,
        compare: Annotated[str | None, Query()] = None,
        interval: Annotated[str | None, Query()] = None,
    ) -> ModelPage:
        """List the published models of one series, or of all that are followed."""
        if symbol is currency is compare is interval is None:
            return list_known_models(desk, followed)
        name = resolve_symbol(symbol, currency, compare)
        intervals = (
            [Interval.parse(interval)] if interval else [i for s, i in followed if s == name]
        )
        return list_models(desk, [(name, one) for one in intervals])

    @app.get("/v1/ledger", tags=["forecasts"])
    def get_ledger() -> LedgerPage:
        """Tell how many forecasts are kept of each series, and the newest one's cutoff."""
        return count_forecasts(desk)

    @app.post("/v1/forecasts", tags=["forecasts"])
    def post_forecast(request: ForecastRequest) -> Response:
        """Forecast from the newest closed kline; `steps` shortens the answer."""
        symbol = resolve_symbol(request.symbol, request.currency, request.compare)
        interval = Interval.parse(request.interval)
        forecast: Forecast = forecaster.forecast(symbol, interval, request.model)
        answer = forecast.model_copy(update={"steps": forecast.steps[: request.steps]})
        return Response(answer.model_dump_json(), media_type="application/json")
