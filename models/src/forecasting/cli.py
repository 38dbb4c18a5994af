"""`klinecast-models`: train, evaluate and forecast, as services or by hand."""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module
from typing import Annotated

import typer

from forecasting.command import (
    AsJson,
    Intervals,
    Models,
    Symbols,
    read_settings,
    read_training_settings,
)
from forecasting.lab_commands import add_lab_commands
from forecasting.score_commands import add_score_commands
from market import log
from market.command import run_command, stop_on_signals

# numpy, scikit-learn and xgboost are imported inside the commands: `main` has to set the
# number of threads and load the MySQL driver before any of them.

app = typer.Typer(
    help="Forecasts with calibrated ranges, and an honest verdict.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
def serve() -> None:
    """Run the model API and its scheduler."""
    from forecasting.desk import followed_series, opened_desk
    from forecasting.serve.app import create_app
    from market.serving import serve as serve_app

    settings = read_settings()
    with opened_desk(settings, threading.Event()) as desk:
        api = create_app(
            desk,
            followed_series(settings),
            poll_s=settings.poll_s,
            retrain_after=settings.retrain_klines,
            access=settings,
        )
        serve_app(api, settings.host, settings.port)


@app.command()
def work(
    once: Annotated[bool, typer.Option("--once", help="End when no job waits.")] = False,
) -> None:
    """Take training jobs from the store and run them."""
    from forecasting.desk import opened_desk
    from forecasting.serve.app import readiness_of
    from forecasting.worker import Worker
    from market.health import serve_health

    settings = read_training_settings()
    stop = stop_on_signals()
    with opened_desk(settings, stop) as desk:
        worker = Worker(desk, stop, settings.lease_s)
        if once:
            worker.run()
            return
        health = serve_health(settings.work_host, settings.work_port, readiness_of(desk))
        log.get_logger().info("worker_ready", port=health.server_address[1])
        worker.run(settings.poll_s)
        health.shutdown()


@app.command()
def train(symbol: Symbols = None, interval: Intervals = None, model: Models = None) -> None:
    """Train here and now, without a job."""
    from forecasting.desk import followed_series, opened_desk
    from forecasting.interruption import go_on
    from forecasting.registry import check_models
    from forecasting.training import Order, run_training

    models = tuple(check_models(model))
    settings = read_training_settings()
    with opened_desk(settings, threading.Event()) as desk:
        for name, one in followed_series(settings, symbol, interval):

            def say(step: str, detail: str, progress: float, series: str = f"{name} {one}") -> None:
                sys.stderr.write(f"{series} {progress:4.0%} {step}: {detail}\n")

            run_training(desk, Order(name, one, models), say, go_on)


@app.command()
def forecast(
    symbol: Symbols = None,
    interval: Intervals = None,
    model: Annotated[str | None, typer.Option("--model", help="Default: the champion.")] = None,
    as_json: AsJson = False,
) -> None:
    """Forecast from the newest closed kline with a published model."""
    from forecasting.desk import followed_series, opened_desk
    from forecasting.report import write_forecasts
    from forecasting.serve.forecaster import Forecaster

    settings = read_settings()
    with opened_desk(settings, threading.Event()) as desk:
        forecaster = Forecaster(desk)
        series = followed_series(settings, symbol, interval)
        made = [forecaster.forecast(name, one, model) for name, one in series]
    write_forecasts(made, as_json=as_json)


@app.command("list")
def list_published(
    symbol: Symbols = None, interval: Intervals = None, as_json: AsJson = False
) -> None:
    """List the published models and each series' champion."""
    from forecasting.desk import followed_series, opened_desk
    from forecasting.report import write_models
    from forecasting.serve.catalogue import list_known_models, list_models

    settings = read_settings()
    with opened_desk(settings, threading.Event()) as desk:
        listing = list_models if symbol else list_known_models
        page = listing(desk, followed_series(settings, symbol, interval))
    write_models(page, as_json=as_json)


@app.command()
def once() -> None:
    """Do one round and exit: train what is due, forecast what is new."""
    from forecasting.desk import followed_series, opened_desk
    from forecasting.serve.forecaster import Forecaster
    from forecasting.serve.scheduler import Scheduler
    from forecasting.worker import Worker

    settings = read_training_settings()
    stop = stop_on_signals()
    with opened_desk(settings, stop) as desk:
        series = followed_series(settings)
        scheduler = Scheduler(desk, Forecaster(desk), series, settings.retrain_klines)
        worker = Worker(desk, stop, settings.lease_s)
        for _ in range(2):  # a new series is asked for its random walk first, then for the rest
            scheduler.run(stop)
            worker.run()
        scheduler.run(stop)


add_score_commands(app)
add_lab_commands(app)


def main() -> None:
    """Run the command line."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    # Loaded after scikit-learn or xgboost, the driver silently loses its C extension.
    import_module("mysql.connector")
    run_command(app)
