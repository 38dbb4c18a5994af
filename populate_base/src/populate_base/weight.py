"""The request weight of this address, kept below half of what Binance allows."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from populate_base import metrics

_MINUTE_MS = 60_000
#: Until exchangeInfo told the limit. Source: binance-spot-api-docs, since 2023-08-25.
_DEFAULT_LIMIT = 6_000
_SHARE = 0.5


class WeightBudget:
    """What Binance says of the weight used in the running minute, by this address.

    The count is the exchange's own (`X-MBX-USED-WEIGHT-1M`), so other programs behind the
    same address are in it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.limit = _DEFAULT_LIMIT
        self.used = 0
        metrics.WEIGHT_LIMIT.set(self.limit)

    def read_limit(self, rate_limits: Iterable[Mapping[str, Any]]) -> None:
        """Take the limit out of exchangeInfo's `rateLimits`."""
        for entry in rate_limits:
            if entry.get("rateLimitType") == "REQUEST_WEIGHT" and entry.get("interval") == "MINUTE":
                with self._lock:
                    self.limit = int(entry["limit"])
                metrics.WEIGHT_LIMIT.set(self.limit)

    def read_used(self, headers: Mapping[str, str]) -> None:
        """Take the weight used out of an answer's headers (names of any case)."""
        for name, value in headers.items():
            if name.lower() == "x-mbx-used-weight-1m" and value.isdigit():
                with self._lock:
                    self.used = int(value)
                metrics.WEIGHT_USED.set(self.used)

    def pause_s(self, now_ms: int, rate: float) -> float:
        """Return the seconds to wait before the next request: 0, or to the minute's end.

        `rate` is the exchange's seconds a second, above 1 only where a simulator hurries.
        The pause spends the count: the next answer brings a new one.
        """
        with self._lock:
            if self.used <= self.limit * _SHARE:
                return 0.0
            self.used = 0
        return (_MINUTE_MS - now_ms % _MINUTE_MS) / 1000 / max(rate, 1.0)
