"""The settings of access: one switch for both APIs."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field

from market.access.sessions import SessionLimits
from market.settings import SettingsPart


class AccessSettings(SettingsPart):
    """For what answers requests."""

    auth: Literal["none", "required"] = Field(
        "none", validation_alias=AliasChoices("KLINECAST_AUTH")
    )
    """Whether everybody on the network may use the APIs (none), or only who has a token."""

    access_cache_s: float = Field(
        5.0, ge=0, le=60, validation_alias=AliasChoices("KLINECAST_ACCESS_CACHE_S")
    )
    """Seconds a token that was checked is taken unchecked; so long a revoked one still works."""


class SessionSettings(AccessSettings):
    """For what lets users sign in."""

    session_idle_s: int = Field(
        1_800, ge=60, validation_alias=AliasChoices("KLINECAST_SESSION_IDLE_S")
    )
    """Seconds without a request after which a session ends."""

    session_life_s: int = Field(
        43_200, ge=60, validation_alias=AliasChoices("KLINECAST_SESSION_LIFE_S")
    )
    """Seconds after which a session ends in any case."""

    @property
    def session_limits(self) -> SessionLimits:
        """When sessions end."""
        return SessionLimits(self.session_idle_s, self.session_life_s)


#: The defaults, whatever the environment says.
PUBLIC = SessionSettings.model_construct()
