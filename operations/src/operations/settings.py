"""The settings of `setup.sh` itself, and the environment it hands to the services."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from market.settings import BinanceSettings, UniverseSettings

#: Variables of `.env` with another beginning are secrets of the compose stack.
_SERVICE_PREFIXES = ("KLINECAST_", "POPULATE_", "HISTORY_", "MODELS_", "SINK_", "OPERATE_", "AWS_")


class OperateSettings(BinanceSettings, UniverseSettings):
    """What `setup.sh` must know to start, watch and stop an installation."""

    model_config = SettingsConfigDict(
        env_prefix="OPERATE_", frozen=True, extra="ignore", populate_by_name=True
    )

    store_url: SecretStr | None = Field(None, validation_alias=AliasChoices("KLINECAST_STORE_URL"))
    """The database of the local mode; without it SQLite in .klinecast."""

    elasticsearch_url: SecretStr | None = Field(
        None, validation_alias=AliasChoices("KLINECAST_ELASTICSEARCH_URL")
    )
    """The Elasticsearch of the local mode; without it forecasts stay in the store."""

    kibana_url: SecretStr | None = Field(
        None, validation_alias=AliasChoices("KLINECAST_KIBANA_URL")
    )
    """The Kibana of the local mode, for its dashboards."""

    history_port: int = Field(8000, ge=1, le=65535, validation_alias=AliasChoices("HISTORY_PORT"))
    """Port of the history API and the page."""

    models_port: int = Field(8001, ge=1, le=65535, validation_alias=AliasChoices("MODELS_PORT"))
    """Port of the model API."""

    sink_port: int = Field(8002, ge=1, le=65535, validation_alias=AliasChoices("SINK_PORT"))
    """Port of the sink's health and metrics."""

    populate_port: int = Field(8003, ge=1, le=65535, validation_alias=AliasChoices("POPULATE_PORT"))
    """Port of the populator's health and metrics."""

    models_work_port: int = Field(
        8004, ge=1, le=65535, validation_alias=AliasChoices("MODELS_WORK_PORT")
    )
    """Port of the local mode's training worker: its health and metrics."""

    models_device: Literal["cpu", "gpu"] = Field(
        "cpu", validation_alias=AliasChoices("MODELS_DEVICE")
    )
    """Where boosted trees are grown; for gpu the training containers are given the GPUs."""

    simulator_port: int = Field(8010, ge=1, le=65535)
    """Port of the demo's simulated exchange."""

    mysql_port: int = Field(3306, ge=1, le=65535)
    """Port of the compose stack's MySQL on this machine."""

    elasticsearch_port: int = Field(9200, ge=1, le=65535)
    """Port of the compose stack's Elasticsearch on this machine."""

    kibana_port: int = Field(5601, ge=1, le=65535)
    """Port of the compose stack's Kibana on this machine."""

    training_workers: int = Field(1, ge=1, le=64)
    """Containers of the compose stack that take training jobs."""

    object_storage: bool = False
    """Whether the compose stack keeps published models in an S3 server of its own."""

    start_timeout_s: int = Field(900, ge=10)
    """Seconds a start may take before it is called failed."""

    ca_bundle: Path | None = None
    """Certificates to trust while images are built, where a proxy re-signs TLS."""


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of a `.env` file; none when there is no such file."""
    if not path.is_file():
        return {}
    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def adopt_dotenv(path: Path) -> None:
    """Put the settings of `.env` into this process's environment, which wins where both speak.

    Secrets of the compose stack stay in the file.
    """
    for name, value in read_dotenv(path).items():
        if name.startswith(_SERVICE_PREFIXES):
            os.environ.setdefault(name, value)
