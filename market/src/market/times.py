"""Times as people and programs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from market.errors import InvalidParameter

_EXPECTED = "YYYY-MM-DD, ISO-8601 with an offset (2024-06-18T00:00:00Z), or integer milliseconds"
_MILLISECONDS = re.compile(r"-?[0-9]{1,18}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: 9999-12-31T23:59:59.999Z
MAX_MS = 253_402_300_799_999


def parse_time_ms(name: str, text: str | int) -> int:
    """Return a time as UTC epoch milliseconds.

    Accepts `YYYY-MM-DD` (midnight UTC), ISO-8601 with an offset, integer milliseconds.

    Raises:
        InvalidParameter: naming the parameter, the value and what is valid.
    """
    if isinstance(text, int) or _MILLISECONDS.fullmatch(text):
        time_ms = int(text)
    else:
        time_ms = _parse_iso_ms(name, text)
    if not 0 <= time_ms <= MAX_MS:
        raise InvalidParameter(name, text, "a time from 1970 to 9999 in milliseconds")
    return time_ms


def _parse_iso_ms(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidParameter(name, text, _EXPECTED) from None
    if _DATE.fullmatch(text):
        moment = moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise InvalidParameter(name, text, _EXPECTED, hint="Add Z for UTC.")
    return round(moment.timestamp() * 1000)


def format_time(time_ms: int) -> str:
    """Return ISO-8601 UTC with milliseconds: `2024-06-18T00:00:00.000Z`."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"
