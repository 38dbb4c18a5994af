"""What Binance's error answers mean: a status, headers and a body to one of our errors.

Source: binance-spot-api-docs, rest-api ("HTTP Return Codes", "IP Limits") and errors.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from market.errors import (
    DataError,
    ExchangeRefused,
    ExchangeUnavailable,
    KlinecastError,
    NotFound,
    RateLimited,
)

_TOO_MANY_REQUESTS = -1003
_UNKNOWN_SYMBOL = -1121
#: Unexpected, time-out, busy, clock outside the window: none is the request's fault.
_PASSING = frozenset({-1000, -1001, -1006, -1007, -1008, -1021})
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")
#: Waits where Binance names none: a minute is the window of its weight limit, two minutes
#: the shortest ban.
_WAIT_LIMITED_S = 60.0
_WAIT_BANNED_S = 120.0


def read_fault(
    status: int, code: int, message: str, headers: Mapping[str, str], now_ms: int
) -> KlinecastError:
    """Return the error that an answer other than 2xx stands for.

    `code` and `message` are those of Binance's JSON body, 0 and the text where it has none.
    """
    said = f"HTTP {status}" + (f", code {code}" if code else "") + f": {message[:200]}"
    if status in (418, 429) or code == _TOO_MANY_REQUESTS:
        wait_s = _wait_s(status, message, headers, now_ms)
        what = "has banned this address" if status == 418 else "asks to slow down"
        return RateLimited(
            f"Binance {what} for {wait_s:.0f} s ({said})",
            retry_after_s=wait_s,
            hint="Other programs on this address share the same limit.",
        )
    if status == 451:
        return ExchangeRefused(
            f"Binance does not serve this place ({said})",
            hint="Use a host that is served here by KLINECAST_BINANCE_REST_URL.",
        )
    if code == _UNKNOWN_SYMBOL:
        return NotFound("the symbol is not known to Binance", hint="Check its spelling.")
    if status >= 500 or status == 403 or code in _PASSING:
        return ExchangeUnavailable(f"Binance answered with a fault ({said})")
    return DataError(f"Binance refused the request ({said})")


def _wait_s(status: int, message: str, headers: Mapping[str, str], now_ms: int) -> float:
    named = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
    if named.strip().isdigit():
        return float(named)
    until = _BANNED_UNTIL.search(message)
    if until is not None:
        return max((int(until[1]) - now_ms) / 1000, 1.0)
    return _WAIT_BANNED_S if status == 418 else _WAIT_LIMITED_S
