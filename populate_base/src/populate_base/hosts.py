"""Which of several equal hosts to ask: the preferred one, unless it failed lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: A host that failed is left alone for so long, twice as long after each further failure.
FIRST_REST_S = 5.0
LONGEST_REST_S = 600.0


@dataclass(slots=True)
class _Health:
    failures: int = 0
    rests_until_s: float = 0.0


class HostList:
    """Hosts with the same data, in the order of preference, and how each one did.

    Times are seconds on any steady clock, given by the caller.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self._health = {host.rstrip("/"): _Health() for host in hosts}

    def rank(self, now_s: float) -> list[str]:
        """Return the hosts worth asking now: those that do not rest, in order.

        Where all of them rest it is the one whose rest ends first.
        """
        awake = [host for host, one in self._health.items() if one.rests_until_s <= now_s]
        return awake or [min(self._health, key=lambda host: self._health[host].rests_until_s)]

    def praise(self, host: str) -> None:
        """Take in that a host answered."""
        self._health[host] = _Health()

    def blame(self, host: str, now_s: float) -> None:
        """Take in that a host failed or refused: it rests, longer each time."""
        one = self._health[host]
        one.failures += 1
        rest_s = min(FIRST_REST_S * 2 ** min(one.failures - 1, 20), LONGEST_REST_S)
        one.rests_until_s = now_s + rest_s

    def resting(self, now_s: float) -> list[str]:
        """Return the hosts that rest now."""
        return [host for host, one in self._health.items() if one.rests_until_s > now_s]
