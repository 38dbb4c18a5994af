"""The populator's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import SettingsConfigDict

from market.interval import DAY_MS
from market.settings import BinanceSettings, StoreSettings, UniverseSettings, time_validator
from populate_base.api_key import ApiKey

#: 2020-01-01
_SINCE_MS = 18_262 * DAY_MS


class PopulateSettings(StoreSettings, BinanceSettings, UniverseSettings):
    """What the populator reads from the environment."""

    model_config = SettingsConfigDict(
        env_prefix="POPULATE_", frozen=True, extra="ignore", populate_by_name=True
    )

    since: Annotated[int, BeforeValidator(time_validator)] = _SINCE_MS
    """Oldest open time that is followed: a date, ISO-8601 with offset or milliseconds."""

    host: str = "127.0.0.1"
    """Address of the health and metrics page."""

    port: int = Field(8003, ge=0, le=65535)
    """Port of the health and metrics page; 0 takes a free one."""

    index_klines: int = Field(1000, ge=0)
    """How many of a series' newest klines are announced for Elasticsearch."""

    downloads: int = Field(4, ge=1, le=32)
    """Archive files fetched at the same time."""

    stream_silence_s: float = Field(60.0, gt=0)
    """Seconds without any message after which the stream is opened again."""

    state_dir: Path = Path(".klinecast/populator")
    """Folder for what is not in the store: damaged archive files, klines that wait for it."""

    stream_life_s: float = Field(82_800.0, gt=0)
    """Seconds after which a stream connection is replaced; Binance ends it after 24 hours."""

    streams_per_connection: int = Field(1024, ge=1, le=1024)
    """Kline streams on one connection, up to Binance's 1024."""

    confirm_s: float = Field(60.0, gt=0)
    """Seconds after its close at which a streamed kline is looked up by REST."""

    spool_mb: int = Field(64, ge=0)
    """Megabytes that may wait there; what does not fit is caught up by REST."""

    ready_lag_s: float = Field(120.0, gt=0)
    """Seconds after its close at which a kline that is not stored makes /readyz say no."""

    weight_share: float = Field(0.5, gt=0, le=1)
    """Share of Binance's request weight limit that this installation uses, up to 1."""

    api_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("KLINECAST_BINANCE_API_KEY")
    )
    """Binance API key, not needed; refused where it may do more than read."""

    api_secret: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("KLINECAST_BINANCE_API_SECRET"),
        validate_default=True,
    )
    """The secret of that key."""

    @field_validator("api_secret")
    @classmethod
    def _check_pair(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (value is None) != (info.data.get("api_key") is None):
            raise ValueError("expected both KLINECAST_BINANCE_API_KEY and its secret, or neither")
        return value

    @property
    def key(self) -> ApiKey | None:
        """The API key with its secret, where there is one."""
        if self.api_key is None or self.api_secret is None:
            return None
        return ApiKey(self.api_key, self.api_secret)
