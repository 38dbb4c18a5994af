"""The request weight of this address, kept below a share of what Binance allows.

The count is the store's, so that every process of the installation is in it; what Binance
itself counted (`X-MBX-USED-WEIGHT-1M`) raises it, so that other programs are in it too.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from market.errors import RateLimited, SettingsError, StoreUnavailable
from market.log import get_logger
from market.store import Store
from market.store.request_weight import (
    Claim,
    Weight,
    reserve_weight,
    write_ban,
    write_weight_limit,
    write_weight_used,
)
from market.store.symbols import VENUE
from market.wire_clock import MINUTE_MS, WireClock
from populate_base import metrics

log = get_logger()

DEFAULT_SHARE = 0.5
#: A process that asks again and again reserves for a few requests at once, for so long that
#: a ban or another process's need is noticed soon.
_BLOCK = 10
_BLOCK_LASTS_S = 0.25
#: Around the turn of Binance's minute it is not sure which minute counts a request: a heavy
#: user waits there.
_GUARD_MS = 1_000
#: Two processes read Binance's clock off headers in whole seconds: so far may they differ.
_APART_MS = 1_000
#: A longer wait than a minute of the limit is a ban: the caller is told at once.
_LONGEST_WAIT_S = 65.0


class WeightBudget:
    """Weight for requests, reserved in the store before each one. Safe to share."""

    def __init__(
        self,
        store: Store,
        clock: WireClock,
        *,
        share: float = DEFAULT_SHARE,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.clock = clock
        self._store = store
        self._share = share
        self._sleep = sleep
        self._lock = threading.Lock()
        self._left = 0
        self._left_until_s = self._asked_s = 0.0
        self._seen = (0, 0)  # the minute, and what Binance counted in it
        self._known = Weight()
        self._unwritten_ban_ms: int | None = None

    @property
    def budget(self) -> int:
        """The weight that may be used in a minute."""
        return int(self._known.limit_1m * self._share)

    def acquire(self, weight: int) -> None:
        """Wait until so much weight may be used, and use it.

        Raises:
            RateLimited: Binance banned this address for longer than a minute.
            StoreUnavailable: the store does not answer; nothing may be sent.
            SettingsError: the whole budget is less than this one request needs.
        """
        while (wait_s := self._take(weight)) > 0:
            if wait_s > _LONGEST_WAIT_S:
                raise RateLimited(
                    f"Binance has banned this address for another {wait_s:.0f} s",
                    retry_after_s=wait_s,
                    hint="Nothing is sent until then. Other programs share this limit.",
                )
            self._sleep(wait_s)

    def _take(self, weight: int) -> float:
        """Take weight and return 0, or return the seconds until it is worth asking again."""
        with self._lock:
            now_s = time.monotonic()
            if self._left >= weight and now_s < self._left_until_s:
                self._left -= weight
                return 0.0
            self._write_ban()
            is_busy = now_s - self._asked_s < 1.0
            self._asked_s = now_s
            for wanted in [max(weight, _BLOCK), weight] if is_busy else [weight]:
                if self._reserve(wanted):
                    self._left, self._left_until_s = wanted - weight, now_s + _BLOCK_LASTS_S
                    return 0.0
            if weight > self.budget:
                expected = f"a share of {self._known.limit_1m} that allows {weight} for one request"
                raise SettingsError("POPULATE_WEIGHT_SHARE", self._share, expected)
            return self._wait_s()

    def _reserve(self, weight: int) -> bool:
        now_ms = self.clock.now_ms()
        # The turn comes a little late for us, and in the second before it little is given.
        guarded_ms = now_ms - _GUARD_MS // 2
        window_ms = guarded_ms // MINUTE_MS * MINUTE_MS
        is_turn = guarded_ms - window_ms > MINUTE_MS - _GUARD_MS
        share = self._share / 2 if is_turn else self._share
        seen = self._seen[1] if self._seen[0] == window_ms else 0
        claim = Claim(window_ms, weight, seen, share, now_ms)
        reserved, self._known = reserve_weight(self._store, VENUE, claim)
        self._show()
        return reserved

    def _wait_s(self) -> float:
        now_ms = self.clock.now_ms()
        banned_ms = self._known.banned_until_ms or 0
        if banned_ms > now_ms:
            return (banned_ms - now_ms) / 1000 + 0.01
        turn_ms = max(self._known.window_ms, now_ms // MINUTE_MS * MINUTE_MS) + MINUTE_MS
        # All who wait come at once otherwise.
        wait_ms = turn_ms + _GUARD_MS // 2 - now_ms
        return min(max(wait_ms, 1) / 1000, _LONGEST_WAIT_S) + random.uniform(0, 0.2)

    def hear(self, headers: Mapping[str, str], sent_s: float, received_s: float) -> None:
        """Take in what an answer's headers say; the times are this machine's, around it."""
        self.clock.read(headers, sent_s, received_s)
        named = (v for k, v in headers.items() if k.lower() == "x-mbx-used-weight-1m")
        used = next(named, "")
        minute_ms, last_ms = (
            self.clock.at_ms(at_s) // MINUTE_MS * MINUTE_MS
            for at_s in (sent_s - _GUARD_MS / 2000, received_s + _GUARD_MS / 2000)
        )
        # Around the turn it is open which minute was counted.
        if used.isdigit() and minute_ms == last_ms:
            self._hear_used(int(used), minute_ms)

    def _hear_used(self, used: int, minute_ms: int) -> None:
        with self._lock:
            if self._seen[0] != minute_ms or self._seen[1] < used:
                self._seen = (minute_ms, used)
            known = self._known
            # This process's next claim tells it too: only much is worth a write of its own.
            if known.window_ms != minute_ms or used <= known.used + _BLOCK:
                return
            self._left = 0
            self._known = known._replace(used=used)
            self._show()
        with suppress(StoreUnavailable):
            write_weight_used(self._store, VENUE, minute_ms, used, self.clock.now_ms())

    def stop_until(self, retry_after_s: float) -> None:
        """Let no process send for so long: Binance asked for it.

        Raises:
            StoreUnavailable: the store is away; it is told before anything else is sent.
        """
        log.warning("requests_stopped", seconds=round(retry_after_s, 1))
        with self._lock:
            self._left = 0
            # A shorter wait does not end a longer one that the store was not told of yet.
            until_ms = self.clock.now_ms() + int(retry_after_s * 1000) + _APART_MS
            self._unwritten_ban_ms = max(until_ms, self._unwritten_ban_ms or 0)
            self._known = self._known._replace(banned_until_ms=self._unwritten_ban_ms)
            self._show()
            self._write_ban()

    def _write_ban(self) -> None:
        if self._unwritten_ban_ms is not None:
            write_ban(self._store, VENUE, self._unwritten_ban_ms, self.clock.now_ms())
            self._unwritten_ban_ms = None

    def read_limit(self, rate_limits: Iterable[Mapping[str, Any]]) -> None:
        """Take the limit out of exchangeInfo's `rateLimits`."""
        for entry in rate_limits:
            if entry.get("rateLimitType") == "REQUEST_WEIGHT" and entry.get("interval") == "MINUTE":
                limit = int(entry["limit"]) // max(int(entry.get("intervalNum", 1)), 1)
                with self._lock:
                    is_known = self._known.limit_1m == limit
                    self._known = self._known._replace(limit_1m=limit)
                if not is_known:
                    write_weight_limit(self._store, VENUE, limit, self.clock.now_ms())
                self._show()

    def _show(self) -> None:
        known = self._known
        metrics.WEIGHT_LIMIT.set(known.limit_1m)
        metrics.WEIGHT_BUDGET.set(self.budget)
        metrics.WEIGHT_USED.set(known.used)
        metrics.WEIGHT_BANNED_UNTIL.set((known.banned_until_ms or 0) / 1000)
