"""The settings of the history API."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from market.access.settings import SessionSettings
from market.settings import BinanceSettings, StoreSettings


class HistorySettings(StoreSettings, BinanceSettings, SessionSettings):
    """What the history API reads from the environment."""

    model_config = SettingsConfigDict(
        env_prefix="HISTORY_", frozen=True, extra="ignore", populate_by_name=True
    )

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: int = Field(8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""

    web_dir: Path = Path("web")
    """Folder of the web page's static files."""

    segments_dir: Path = Path(".klinecast/segments")
    """Folder of the closed months that are kept ready to be sent."""

    segments_mb: int = Field(2048, ge=0)
    """Megabytes these may take; 0 keeps none."""

    threads: int = Field(8, ge=1, le=64)
    """Requests answered at once, each with a connection of its own to the store."""

    workers: int = Field(1, ge=1, le=64)
    """Processes that answer, on one socket; each has its threads."""

    stream_listeners: int = Field(4_000, ge=1, le=100_000)
    """Who may listen to `/v1/stream` at once, in each process."""
