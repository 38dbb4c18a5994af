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
#: The time of a signed request is too far from the exchange's.
CLOCK_IS_OFF = -1021
#: Malformed, unknown, or not valid from this address.
_BAD_KEY = frozenset({-2008, -2014, -2015, -1022})
#: Unexpected, time-out, busy, clock outside the window: none is the request's fault.
_PASSING = frozenset({-1000, -1001, -1006, -1007, -1008, CLOCK_IS_OFF})
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")
#: Waits where Binance names none: a minute is the window of its weight limit, two minutes
#: the shortest ban.
_WAIT_LIMITED_S = 60.0
_WAIT_BANNED_S = 120.0
_OTHER_HOST = "Name a host that serves this place by KLINECAST_BINANCE_REST_URL."


class Blocked(ExchangeUnavailable):
    """The firewall before one of Binance's hosts blocked the request: it may let others pass."""


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
            hint=_OTHER_HOST,
        )
    if code == _UNKNOWN_SYMBOL:
        return NotFound("the symbol is not known to Binance", hint="Check its spelling.")
    if status == 403:
        return Blocked(f"Binance's firewall blocked the request ({said})", hint=_OTHER_HOST)
    if status >= 500 or code in _PASSING:
        return ExchangeUnavailable(f"Binance answered with a fault ({said})")
    return DataError(f"Binance refused the request ({said})")


def is_bad_key(status: int, code: int) -> bool:
    """Tell whether Binance refused an API key."""
    return status == 401 or code in _BAD_KEY


def _wait_s(status: int, message: str, headers: Mapping[str, str], now_ms: int) -> float:
    named = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
    if named.strip().isdigit():
        return max(float(named), 1.0)
    until = _BANNED_UNTIL.search(message)
    if until is not None:
        return max((int(until[1]) - now_ms) / 1000, 1.0)
    return _WAIT_BANNED_S if status == 418 else _WAIT_LIMITED_S
