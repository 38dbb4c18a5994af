"""The settings of the sink's commands."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from forecast_sink.documents import StepChoice, parse_steps
from forecast_sink.sources.scope import Choices
from market.settings import HistoryClientSettings, StoreSettings, UniverseSettings


class InstallSettings(UniverseSettings):
    """For `forecast-sink install`, which needs no store."""

    elasticsearch_url: SecretStr = Field(
        SecretStr("http://127.0.0.1:9200"),
        validation_alias=AliasChoices("KLINECAST_ELASTICSEARCH_URL"),
    )
    """Elasticsearch from 8.12 to 9; a user and password may stand in it."""

    kibana_url: SecretStr | None = Field(
        None, validation_alias=AliasChoices("KLINECAST_KIBANA_URL")
    )
    """Kibana, for the dashboards; without it only the indices are installed."""

    @field_validator("kibana_url", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None


class SinkSettings(InstallSettings, StoreSettings, HistoryClientSettings):
    """For what carries documents from the store to Elasticsearch."""

    model_config = SettingsConfigDict(
        env_prefix="SINK_", frozen=True, extra="ignore", populate_by_name=True
    )

    host: str = "127.0.0.1"
    """Address that health and metrics listen on."""

    port: int = Field(8002, ge=0, le=65535)
    """Port of health and metrics."""

    steps: Annotated[StepChoice, NoDecode] = StepChoice()
    """Steps in the index: `default` (all from 1h on, 1 3 6 12 24 50 below), `all`, or a list."""

    klines: int = Field(5000, ge=1)
    """Klines of each series that stay in the index; older ones are removed from it."""

    keep_days: int = Field(400, ge=0)
    """Forecasts, signals and events older than this leave the index; 0 keeps all of them."""

    @property
    def choices(self) -> Choices:
        """What is indexed."""
        return Choices(self.steps, self.klines, self.keep_days)

    @field_validator("steps", mode="before")
    @classmethod
    def _read_steps(cls, value: Any) -> Any:
        return parse_steps(value) if isinstance(value, str) else value
