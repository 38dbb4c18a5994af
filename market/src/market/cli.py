"""`klinecast-market`: the schema of the store."""

from __future__ import annotations

import sys

import typer

from market import log
from market.command import run_command
from market.settings import StoreSettings, load_settings
from market.store import open_store
from market.store.schema import migrate as migrate_schema

app = typer.Typer(help="The store's schema.", no_args_is_help=True, add_completion=False)


@app.callback()
def _app() -> None:
    """The store's schema."""


@app.command()
def migrate() -> None:
    """Bring the store's schema to this version's; running it again changes nothing."""
    settings = load_settings(StoreSettings)
    log.configure("market", level=settings.log_level)
    store = open_store(settings.store_url.get_secret_value())
    try:
        before, after = migrate_schema(store)
    finally:
        store.close()
    said = "is already at" if before == after else f"went from {before or 'nothing'} to"
    sys.stdout.write(f"The store's schema {said} revision {after}.\n")


def main() -> None:
    """Run the command line."""
    run_command(app)
