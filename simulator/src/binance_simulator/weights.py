"""The request weight of each client, as Binance counts it: by minute, by address."""

from __future__ import annotations

from typing import NamedTuple

#: Weight one address may spend in a minute, unless told otherwise.
DEFAULT_LIMIT = 6000
#: Requests refused within one minute until the address is banned.
PATIENCE = 50
#: Binance's shortest ban.
BAN_S = 120

WEIGHTS = {
    "/api/v3/ping": 1,
    "/api/v3/time": 1,
    "/api/v3/exchangeInfo": 20,
    "/api/v3/klines": 2,
    "/api/v3/uiKlines": 2,
}


class Verdict(NamedTuple):
    """Whether a request may pass: status 200, 429 or 418, and how long to wait, in seconds."""

    status: int
    used: int
    retry_after_s: int = 0
    banned_until_ms: int = 0


class WeightBudget:
    """Counts the weight of every address. Time is the machine's, in seconds since 1970."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        self._minute = -1
        self._used: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._banned_until_s: dict[str, float] = {}

    def spend(self, address: str, weight: int, machine_s: float) -> Verdict:
        """Count one request and tell whether it may pass."""
        minute, second = divmod(int(machine_s), 60)
        if minute != self._minute:
            self._minute = minute
            self._used.clear()
            self._refused.clear()
        until_s = self._banned_until_s.get(address, 0)
        used = self._used[address] = self._used.get(address, 0) + weight
        if machine_s < until_s:
            return _banned(used, until_s, machine_s)
        if used <= self.limit:
            return Verdict(200, used)
        refused = self._refused[address] = self._refused.get(address, 0) + 1
        if refused > PATIENCE:
            until_s = self._banned_until_s[address] = machine_s + BAN_S
            return _banned(used, until_s, machine_s)
        return Verdict(429, used, retry_after_s=60 - second)

    def reset(self) -> None:
        """Forget all weights and bans."""
        self._minute = -1
        self._banned_until_s.clear()


def _banned(used: int, until_s: float, machine_s: float) -> Verdict:
    return Verdict(418, used, int(until_s - machine_s) + 1, int(until_s * 1000))
