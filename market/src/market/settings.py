"""Settings: read once, in the entry point, from the environment.

A service's settings are one frozen class made of the parts it needs. Shared variables
begin with `KLINECAST_`, a service's own with its own prefix.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from market.errors import InvalidParameter, SettingsError
from market.interval import Interval
from market.log import mask_text
from market.selection import SymbolSelection, parse_selection
from market.times import parse_time_ms

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{1,31}")

#: Binance's own REST hosts, all with the same data: first the one that serves market data only.
#: Source: binance-spot-api-docs, rest-api, "General API Information".
BINANCE_REST_URLS = (
    "https://data-api.binance.vision",
    "https://api.binance.com",
    "https://api-gcp.binance.com",
    "https://api1.binance.com",
    "https://api2.binance.com",
    "https://api3.binance.com",
    "https://api4.binance.com",
)


def _url(*schemes: str) -> AfterValidator:
    """Return a check that a text is the address of a host, without a slash at its end."""
    pattern = re.compile(rf"(?:{'|'.join(schemes)})://[^/\s]+(?:/\S*)?")

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"expected an address such as {schemes[0]}://host:port")
        return value.rstrip("/")

    return AfterValidator(check)


HttpUrl = Annotated[str, _url("http", "https")]
"""The address of an HTTP server."""

StreamUrl = Annotated[str, _url("ws", "wss")]
"""The address of a WebSocket server."""


def _shared(name: str) -> AliasChoices:
    return AliasChoices(f"KLINECAST_{name}")


def _split(value: Any) -> tuple[Any, ...]:
    """Return the parts of a list, each once, in the order given."""
    given = value.split(",") if isinstance(value, str) else value
    parts = [part.strip() if isinstance(part, str) else part for part in given]
    distinct = tuple(dict.fromkeys(part for part in parts if part != ""))
    if not distinct:
        raise ValueError("expected a list separated by commas")
    return distinct


class SettingsPart(BaseSettings):
    """Base of all settings."""

    # A variable that is empty, as in a template that was not filled in, counts as not set.
    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias=_shared("LOG_LEVEL")
    )
    """Lowest level that is logged: DEBUG, INFO, WARNING or ERROR."""

    demo: bool = Field(False, validation_alias=_shared("DEMO"))
    """Whether the exchange is the simulator; every page and document then says DEMO."""


class StoreSettings(SettingsPart):
    """For what reads or writes the store."""

    store_url: SecretStr = Field(
        SecretStr("sqlite:///klinecast.db"), validation_alias=_shared("STORE_URL")
    )
    """The database: sqlite:///path or mysql://user:password@host:port/database."""


_ARCHIVE = "https://data.binance.vision"
#: The bucket behind it: it lists, and serves files where the archive's own host is blocked.
_ARCHIVE_BUCKET = "https://s3-ap-northeast-1.amazonaws.com/data.binance.vision"


class BinanceSettings(SettingsPart):
    """For what talks to Binance."""

    rest_urls: Annotated[tuple[HttpUrl, ...], NoDecode, BeforeValidator(_split)] = Field(
        BINANCE_REST_URLS, validation_alias=_shared("BINANCE_REST_URL")
    )
    """Binance's REST hosts, separated by commas, the preferred one first; none needs a key."""

    stream_url: StreamUrl = Field(
        "wss://data-stream.binance.vision", validation_alias=_shared("BINANCE_STREAM_URL")
    )
    """Binance's stream host; the default needs no key."""

    archive_url: HttpUrl = Field(_ARCHIVE, validation_alias=_shared("BINANCE_ARCHIVE_URL"))
    """Binance's public archive."""

    archive_listing_url: HttpUrl | None = Field(
        None, validation_alias=_shared("BINANCE_ARCHIVE_LISTING_URL")
    )
    """S3 address of the archive's bucket; default: that of Binance's, else the archive itself."""

    @property
    def listing_url(self) -> str:
        """The address that lists what the archive has."""
        if self.archive_listing_url is not None:
            return self.archive_listing_url
        return _ARCHIVE_BUCKET if self.archive_url == _ARCHIVE else self.archive_url

    @property
    def rest_url(self) -> str:
        """The preferred REST host."""
        return self.rest_urls[0]


class UniverseSettings(SettingsPart):
    """For what works through every followed series."""

    symbols: Annotated[SymbolSelection, NoDecode] = Field(
        SymbolSelection(("BTCUSDT", "ETHUSDT")), validation_alias=_shared("SYMBOLS")
    )
    """Symbols to follow: names, quote:ASSET, or a regular expression between slashes."""

    intervals: Annotated[tuple[Interval, ...], NoDecode] = Field(
        (Interval.H1, Interval.D1), validation_alias=_shared("INTERVALS")
    )
    """Intervals to follow, separated by commas."""

    @field_validator("symbols", mode="before")
    @classmethod
    def _read_symbols(cls, value: Any) -> Any:
        return parse_selection(value) if isinstance(value, str) else value

    @field_validator("intervals", mode="before")
    @classmethod
    def _read_intervals(cls, value: Any) -> Any:
        try:
            return tuple(
                part if isinstance(part, Interval) else Interval.parse(part)
                for part in _split(value)
            )
        except InvalidParameter as error:
            raise ValueError(f"expected {error.expected}, separated by commas") from error


class HistoryClientSettings(SettingsPart):
    """For what reads the history API."""

    history_url: HttpUrl = Field("http://127.0.0.1:8000", validation_alias=_shared("HISTORY_URL"))
    """The history API."""


def time_validator(value: Any) -> int:
    """Read a time for a settings field; see `market.times.parse_time_ms`."""
    try:
        return parse_time_ms("time", value)
    except InvalidParameter as error:
        raise ValueError(f"expected {error.expected}") from error


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
        name = str(problem["loc"][0])
        message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        value = "(hidden)" if _is_secret(kind, name) else _shown(problem["input"])
        variable = variable_name(kind, name)
        raise SettingsError(variable, value, message.removeprefix("expected ")) from None


def _shown(value: object) -> object:
    return mask_text(value) if isinstance(value, str) else value


def _is_secret(kind: type[SettingsPart], name: str) -> bool:
    return any(
        "SecretStr" in str(field.annotation)
        for key, field in kind.model_fields.items()
        if name in (key, variable_name(kind, key))
    )


def variable_name(kind: type[SettingsPart], field: str) -> str:
    """Return the environment variable that sets a field (given by name or by alias)."""
    info = kind.model_fields.get(field)
    if info is None:
        return field
    if isinstance(info.validation_alias, AliasChoices):
        return str(info.validation_alias.choices[0])
    return (str(kind.model_config.get("env_prefix", "")) + field).upper()
