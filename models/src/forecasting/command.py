"""What the commands share: their common options, and the settings they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from market import log
from market.settings import load_settings

if TYPE_CHECKING:
    from forecasting.settings import ModelSettings

Symbols = Annotated[
    list[str] | None, typer.Option("--symbol", help="Symbol; repeats. Default: all followed.")
]
Intervals = Annotated[
    list[str] | None, typer.Option("--interval", help="Interval; repeats. Default: all followed.")
]
Models = Annotated[list[str] | None, typer.Option("--model", help="Model; repeats. Default: all.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")]


def read_settings() -> ModelSettings:
    """Read the settings and configure logging."""
    from forecasting.settings import ModelSettings

    settings = load_settings(ModelSettings)
    log.configure("models", level=settings.log_level)
    return settings


def read_training_settings() -> ModelSettings:
    """Read the settings of what fits models, and look for the device they name."""
    # Serving reads trees as plain arrays: only what fits them looks for the device.
    from forecasting.estimators.xgboost import check_device

    settings = read_settings()
    check_device(settings.device)
    return settings
