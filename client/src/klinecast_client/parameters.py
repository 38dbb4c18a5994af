"""What callers write, as the API reads it. Pure."""

from __future__ import annotations

from datetime import date, datetime

from market.errors import InvalidParameter
from market.shapes import resolve_symbol
from market.times import parse_time_ms

#: `"BTCUSDT"`, or currency and compare: `("BTC", "USDT")`.
Symbol = str | tuple[str, str]
#: `YYYY-MM-DD`, ISO-8601 with offset, UTC epoch ms, a date or an aware datetime.
Time = str | int | date | datetime
Parameters = dict[str, str | int | None]


def symbol_name(symbol: Symbol) -> str:
    """Return the symbol that is meant, in capitals."""
    if isinstance(symbol, str):
        return resolve_symbol(symbol, None, None)
    return resolve_symbol(None, *symbol)


def time_ms(name: str, time: Time | None) -> int | None:
    """Return a time as UTC epoch milliseconds, `None` for none.

    Raises:
        InvalidParameter: it is no time, or nobody can tell in which zone.
    """
    if time is None:
        return None
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise InvalidParameter(name, time.isoformat(), "a datetime with a time zone")
        return round(time.timestamp() * 1000)
    return parse_time_ms(name, time.isoformat() if isinstance(time, date) else time)
