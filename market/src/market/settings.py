"""Settings: read once, in the entry point, from the environment.

A service's settings are one frozen class made of the parts it needs. Shared variables
begin with `KLINECAST_`, a service's own with its own prefix.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from market.errors import SettingsError
from market.interval import Interval
from market.times import parse_time_ms


def _shared(name: str) -> AliasChoices:
    return AliasChoices(f"KLINECAST_{name}")


class SettingsPart(BaseSettings):
    """Base of all settings."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    log_level: str = Field("INFO", validation_alias=_shared("LOG_LEVEL"))
    """Lowest level that is logged: DEBUG, INFO, WARNING or ERROR."""

    demo: bool = Field(False, validation_alias=_shared("DEMO"))
    """Whether the exchange is the simulator; every page and document then says DEMO."""

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("expected DEBUG, INFO, WARNING or ERROR")
        return level


class StoreSettings(SettingsPart):
    """For what reads or writes the store."""

    store_url: SecretStr = Field(
        SecretStr("sqlite:///klinecast.db"), validation_alias=_shared("STORE_URL")
    )
    """The database: sqlite:///path or mysql://user:password@host:port/database."""


class BinanceSettings(SettingsPart):
    """For what talks to Binance."""

    rest_url: str = Field(
        "https://data-api.binance.vision", validation_alias=_shared("BINANCE_REST_URL")
    )
    """Binance's REST host; the default needs no key."""

    stream_url: str = Field(
        "wss://data-stream.binance.vision", validation_alias=_shared("BINANCE_STREAM_URL")
    )
    """Binance's stream host; the default needs no key."""

    archive_url: str = Field(
        "https://data.binance.vision", validation_alias=_shared("BINANCE_ARCHIVE_URL")
    )
    """Binance's public archive."""


class UniverseSettings(SettingsPart):
    """For what works through every followed series."""

    symbols: Annotated[tuple[str, ...], NoDecode] = Field(
        ("BTCUSDT", "ETHUSDT"), validation_alias=_shared("SYMBOLS")
    )
    """Symbols to follow, separated by commas."""

    intervals: Annotated[tuple[Interval, ...], NoDecode] = Field(
        (Interval.H1, Interval.D1), validation_alias=_shared("INTERVALS")
    )
    """Intervals to follow, separated by commas."""

    @field_validator("symbols", mode="before")
    @classmethod
    def _split_symbols(cls, value: Any) -> Any:
        return _split(value, str.upper)

    @field_validator("intervals", mode="before")
    @classmethod
    def _split_intervals(cls, value: Any) -> Any:
        return _split(value, str)


class HistoryClientSettings(SettingsPart):
    """For what reads the history API."""

    history_url: str = Field("http://127.0.0.1:8000", validation_alias=_shared("HISTORY_URL"))
    """The history API."""


def _split(value: Any, clean: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = tuple(clean(part.strip()) for part in value.split(",") if part.strip())
    if not parts:
        raise ValueError("expected a list separated by commas")
    return parts


def time_validator(value: Any) -> int:
    """Read a time for a settings field; see `market.times.parse_time_ms`."""
    try:
        return parse_time_ms("time", value)
    except Exception as error:
        raise ValueError(str(error)) from error


_Settings = TypeVar("_Settings", bound=SettingsPart)


def load_settings(kind: type[_Settings]) -> _Settings:
    """Read a service's settings from the environment.

    Raises:
        SettingsError: naming the variable, the value received and what is valid.
    """
    try:
        return kind()
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = str(problem["loc"][0])
        variable = variable_name(kind, field)
        value = "(hidden)" if "url" in field and "store" in field else problem["input"]
        message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        raise SettingsError(variable, value, message.removeprefix("expected ")) from None


def variable_name(kind: type[SettingsPart], field: str) -> str:
    """Return the environment variable that sets a field (given by name or by alias)."""
    info = kind.model_fields.get(field)
    if info is None:
        return field
    if isinstance(info.validation_alias, AliasChoices):
        return str(info.validation_alias.choices[0])
    return (str(kind.model_config.get("env_prefix", "")) + field).upper()
