"""The requests of each client, as Binance counts them: by address, by weight and by number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from binance_simulator.limits import LONGEST_BAN_S, Limits

_RAW_WINDOW_S = 300

WEIGHTS = {
    "/api/v3/ping": 1,
    "/api/v3/time": 1,
    "/api/v3/exchangeInfo": 20,
    "/api/v3/klines": 2,
    "/api/v3/uiKlines": 2,
    "/sapi/v1/account/apiRestrictions": 1,
}


class Verdict(NamedTuple):
    """Whether a request may pass: status 200, 429 or 418, and how long to wait, in seconds.

    `retry_after_s` is what is told, `wait_s` what is meant. `by_number` tells that it was too
    many requests, not too much weight.
    """

    status: int
    used: int
    retry_after_s: int = 0
    banned_until_ms: int = 0
    by_number: bool = False
    wait_s: float = 0


@dataclass
class _Account:
    """What one address has done."""

    minute: int = -1
    used: int = 0
    window: int = -1
    requests: int = 0
    refused: int = 0
    bans: int = 0
    limited_until_s: float = 0
    banned_until_s: float = 0


class WeightBudget:
    """Counts what every address spends. Time is the machine's, in seconds since 1970."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._accounts: dict[str, _Account] = {}

    def spend(self, address: str, weight: int, machine_s: float) -> Verdict:
        """Count one request and tell whether it may pass."""
        account = self._account(address, machine_s)
        account.used += weight
        account.requests += 1
        if machine_s < account.banned_until_s:
            return _banned(account, machine_s)
        wait_until_s, by_number = self._wait(account, machine_s)
        if wait_until_s <= machine_s:
            account.refused = 0
            return Verdict(200, account.used)
        account.refused += 1
        if account.refused > self.limits.patience:
            # Each ban lasts twice as long as the one before.
            self.ban(address, min(self.limits.ban_s << account.bans, LONGEST_BAN_S), machine_s)
            account.bans += 1
            return _banned(account, machine_s)
        wait_s = wait_until_s - machine_s
        return Verdict(429, account.used, math.ceil(wait_s), by_number=by_number, wait_s=wait_s)

    def limit(self, address: str, seconds: float, machine_s: float) -> None:
        """Refuse an address for a while: 429."""
        self._account(address, machine_s).limited_until_s = machine_s + seconds

    def ban(self, address: str, seconds: float, machine_s: float) -> None:
        """Ban an address for a while: 418."""
        account = self._account(address, machine_s)
        account.banned_until_s = machine_s + seconds
        account.refused = 0

    def _account(self, address: str, machine_s: float) -> _Account:
        account = self._accounts.setdefault(address, _Account())
        minute, window = int(machine_s) // 60, int(machine_s) // _RAW_WINDOW_S
        if minute != account.minute:
            account.minute, account.used = minute, 0
        if window != account.window:
            account.window, account.requests = window, 0
        return account

    def _wait(self, account: _Account, machine_s: float) -> tuple[float, bool]:
        """Until when the address has to wait, and whether for the number of its requests."""
        if account.requests > self.limits.raw_requests:
            return (account.window + 1) * _RAW_WINDOW_S, True
        if account.used > self.limits.weight:
            return max((account.minute + 1) * 60, account.limited_until_s), False
        return account.limited_until_s, False


def _banned(account: _Account, machine_s: float) -> Verdict:
    until_s = account.banned_until_s
    wait_s = until_s - machine_s
    return Verdict(418, account.used, int(wait_s) + 1, int(until_s * 1000), wait_s=wait_s)
