"""`klinecast-history`: the history API's commands."""

from __future__ import annotations

from typing import Annotated

import typer

from api_historic.access_commands import add_access_commands
from api_historic.lake_commands import add_lake_commands
from api_historic.segment_commands import add_segment_commands
from api_historic.settings import HistorySettings
from api_historic.worker import build_app
from market import log
from market.command import run_command
from market.errors import StoreUnavailable
from market.serving import serve as serve_app
from market.serving import serve_workers
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
    store = open_store(settings.store_url.get_secret_value())
    try:
        store.check_schema()
    except StoreUnavailable as error:
        log.get_logger().warning("store_unavailable", detail=error.detail)
    finally:
        store.close()
    address = (
        settings.host if host is None else host,
        settings.port if port is None else port,
    )
    if settings.workers == 1:
        serve_app(build_app(settings), *address)
    else:
        serve_workers("api_historic.worker:build_worker", settings.workers, *address)


add_access_commands(app)
add_segment_commands(app)
add_lake_commands(app)


def main() -> None:
    """Run the command line."""
    run_command(app)
