"""`klinecast-history`: the history API's commands."""

from __future__ import annotations

from typing import Annotated

import typer

from api_historic.app import create_app
from api_historic.service import Service
from api_historic.settings import HistorySettings
from market import log
from market.api import serve as serve_app
from market.clock import ExchangeClock
from market.command import run_command
from market.errors import StoreUnavailable
from market.exchange_time import time_fetcher
from market.settings import load_settings
from market.store import open_store

app = typer.Typer(help="The history API.", no_args_is_help=True, add_completion=False)


@app.callback()
def _app() -> None:
    """The history API."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Default: HISTORY_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Default: HISTORY_PORT.")] = None,
) -> None:
    """Serve klines, forecasts, scores and the web page until SIGTERM."""
    settings = load_settings(HistorySettings)
    log.configure("history", level=settings.log_level)
    store = open_store(settings.store_url.get_secret_value(), pool_size=settings.threads)
    try:
        store.check_schema()
    except StoreUnavailable as error:
        log.get_logger().warning("store_unavailable", detail=error.detail)
    service = Service(store, ExchangeClock(), settings.demo)
    web_app = create_app(
        service,
        time_fetcher(*settings.rest_urls),
        web_dir=settings.web_dir,
        threads=settings.threads,
        access=settings,
    )
    serve_app(
        web_app,
        settings.host if host is None else host,
        settings.port if port is None else port,
    )


def main() -> None:
    """Run the command line."""
    run_command(app)
