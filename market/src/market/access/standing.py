"""What is left to an account, as answers tell it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from market.access.principal import Limits
from market.access.usage import Usage


@dataclass(frozen=True, slots=True)
class Standing:
    """The limit that is nearest to its end.

    Attributes:
        window: `second` or `month`.
        reset_s: seconds until all of it is free again.
    """

    window: str
    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """Return the headers that tell of it."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
            "X-RateLimit-Window": self.window,
        }


def standing_of(limits: Limits, usage: Usage) -> Standing | None:
    """Return what is left, `None` where nothing is limited."""
    found: list[Standing] = []
    of_second, of_month = usage.left_of_second(limits), usage.left_of_quota(limits)
    if limits.rate_per_s is not None and of_second is not None:
        reset_s = math.ceil(usage.owed_us / 1_000_000)
        found.append(Standing("second", limits.rate_per_s, of_second, reset_s))
    if limits.monthly_quota is not None and of_month is not None:
        found.append(Standing("month", limits.monthly_quota, of_month, usage.month_left_s))
    return nearest(found)


def nearest(standings: list[Standing]) -> Standing | None:
    """Return the one of which the smallest part is left."""
    return min(standings, key=lambda one: one.remaining / one.limit, default=None)
