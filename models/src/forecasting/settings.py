"""The settings of the model service and its workers."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from forecasting.registry import Device
from market.access.settings import AccessSettings
from market.settings import HistoryClientSettings, StoreSettings, UniverseSettings


class ModelSettings(StoreSettings, UniverseSettings, HistoryClientSettings, AccessSettings):
    """Everything `klinecast-models` reads from the environment."""

    model_config = SettingsConfigDict(
        env_prefix="MODELS_", frozen=True, extra="ignore", populate_by_name=True
    )

    artefacts_url: str = Field(
        default_factory=lambda: Path("klinecast-artefacts").resolve().as_uri(),
        validation_alias=AliasChoices("KLINECAST_ARTEFACTS_URL"),
    )
    """Where artefacts are published: file:///path or s3://bucket/prefix; AWS_ variables apply."""

    history_token: str | None = Field(None)
    """Token for the history API, where it asks for one."""

    host: str = "127.0.0.1"
    """Address the model API listens on."""

    port: int = Field(8001, ge=0, le=65_535)
    """Port of the model API; 0 takes a free one."""

    work_host: str = "127.0.0.1"
    """Address a worker's health and metrics are served on."""

    work_port: int = Field(0, ge=0, le=65_535)
    """Port of a worker's health and metrics; 0 takes a free one, so that workers can be many."""

    device: Device = "cpu"
    """Where boosted trees are grown: cpu, or gpu with the extra of that name installed."""

    poll_s: float = Field(2.0, gt=0)
    """Seconds between two looks for new closed klines, and for waiting jobs."""

    retrain_klines: int | None = Field(None, ge=1)
    """Closed klines between two trainings of a series; by default an hour's worth, at least one."""

    lease_s: float = Field(30.0, gt=0)
    """Seconds after which a worker that went silent loses its job to another one."""
