"""The body of `exchangeInfo`: each symbol's entry as the exchange wrote it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from api_historic.binance import rejections
from api_historic.binance.parameters import InfoCall
from market.store.symbols import Symbol

#: Binance's own limits: tools plan by them. This API refuses nobody for being quick.
RATE_LIMITS: tuple[dict[str, str | int], ...] = (
    {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": 6000,
    },
    {
        "rateLimitType": "RAW_REQUESTS",
        "interval": "MINUTE",
        "intervalNum": 5,
        "limit": 300_000,
    },
)
_DEFAULT_PERMISSIONS = ("SPOT", "MARGIN", "LEVERAGED")


def build_exchange_info(symbols: Iterable[Symbol], call: InfoCall, now_ms: int) -> bytes:
    """Return the body for the symbols a call asks for.

    Raises:
        Rejection: a symbol that was named is not known.
    """
    known = {symbol.symbol: symbol for symbol in symbols}
    if call.symbols is not None:
        if any(name not in known for name in call.symbols):
            raise rejections.invalid_symbol()
        chosen = [known[name] for name in dict.fromkeys(call.symbols)]
    else:
        chosen = [symbol for symbol in known.values() if _passes(symbol, call)]
    return orjson.dumps(
        {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": RATE_LIMITS,
            "exchangeFilters": [],
            "symbols": [_entry(symbol, call) for symbol in chosen],
        }
    )


def _passes(symbol: Symbol, call: InfoCall) -> bool:
    if call.status is not None and symbol.status != call.status:
        return False
    held = _permissions(orjson.loads(symbol.info))
    # An entry that tells no permissions is not hidden for it.
    return not held or bool(held & set(call.permissions or _DEFAULT_PERMISSIONS))


def _permissions(entry: dict[str, object]) -> set[str]:
    named = entry.get("permissions")
    held = set(named) if isinstance(named, list) else set()
    sets = entry.get("permissionSets")
    for names in sets if isinstance(sets, list) else ():
        held |= set(names)
    return held


def _entry(symbol: Symbol, call: InfoCall) -> orjson.Fragment | dict[str, object]:
    if call.shows_permission_sets:
        return orjson.Fragment(symbol.info)
    entry: dict[str, object] = orjson.loads(symbol.info)
    return {**entry, "permissionSets": []}
