"""An API key of Binance: not needed, and only ever one that may do nothing but read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from market.errors import DataError, SettingsError

VARIABLE = "KLINECAST_BINANCE_API_KEY"
#: Where Binance tells what a key may do; its market data host does not.
_ACCOUNT_HOST = "https://api.binance.com"
_MARKET_DATA_ONLY = "binance.vision"
#: What a key may be allowed: reading, and being tied to an address. Source: binance wallet
#: API, "Get API Key Permission". Whatever else is allowed, also in future, is refused.
_HARMLESS = frozenset({"ipRestrict", "enableReading", "enableFixReadOnly"})


class ApiKey(NamedTuple):
    """A key and its secret; neither shows in a text."""

    key: SecretStr
    secret: SecretStr


def account_host(hosts: Sequence[str]) -> str:
    """Return the host to ask what a key may do."""
    for host in hosts:
        if not (urlsplit(host).hostname or "").endswith(_MARKET_DATA_ONLY):
            return host
    return _ACCOUNT_HOST


def check_permissions(told: Mapping[str, Any]) -> None:
    """Check that a key may only read, by the answer of `/sapi/v1/account/apiRestrictions`.

    Raises:
        SettingsError: it may trade, withdraw, transfer or anything else; the key is not shown.
        DataError: the answer does not tell.
    """
    if "enableReading" not in told:
        raise DataError(f"Binance did not tell what the key may do, but {sorted(told)[:5]}")
    allowed = sorted(name for name, value in told.items() if value is True)
    harmful = [name for name in allowed if name not in _HARMLESS]
    if harmful:
        raise SettingsError(
            VARIABLE,
            "(hidden)",
            f"a key that may only read, not one with {', '.join(harmful)}",
            hint="Market data needs no key: leave it out, or make one with reading alone.",
        )
