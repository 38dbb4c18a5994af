"""The settings of the history API."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from market.settings import BinanceSettings, StoreSettings


class HistorySettings(StoreSettings, BinanceSettings):
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

    threads: int = Field(8, ge=1, le=64)
    """Requests answered at once, each with a connection of its own to the store."""
