"""`apiRestrictions`: what a key may do."""

from __future__ import annotations

import orjson
from starlette.requests import Request

from binance_simulator import rejections
from binance_simulator.exchange import Exchange
from binance_simulator.faults.answers import PERMISSIONS, ApiKey

_DEFAULT_WINDOW_MS = 5000
_LONGEST_WINDOW_MS = 60_000
#: How far a client's clock may be ahead.
_AHEAD_MS = 1000


def tell_restrictions(exchange: Exchange, request: Request) -> bytes:
    """Answer a signed request; that there is a signature is all that is checked of it.

    Raises:
        Rejection: no key, an unknown one, a parameter that is missing, or a clock that is off.
    """
    name = request.headers.get("x-mbx-apikey", "")
    if not name:
        raise rejections.malformed_key()
    known = [key for key in exchange.faults.holding(ApiKey) if key.key == name]
    if not known:
        raise rejections.unknown_key()
    sent = dict(request.query_params)
    for needed in ("timestamp", "signature"):
        if not sent.get(needed):
            raise rejections.missing_parameter(needed)
    _check_window(sent, exchange.told_ms())
    key = known[-1]
    allowed = {permission: permission in key.allow for permission in PERMISSIONS}
    return orjson.dumps({"ipRestrict": key.ip_restrict, "createTime": key.created, **allowed})


def _check_window(sent: dict[str, str], now_ms: int) -> None:
    window = sent.get("recvWindow", str(_DEFAULT_WINDOW_MS))
    for name, value in (("timestamp", sent["timestamp"]), ("recvWindow", window)):
        if not (value.isascii() and value.isdigit() and len(value) <= 20):
            raise rejections.illegal_characters(name, "^[0-9]{1,20}$")
    behind_ms = now_ms - int(sent["timestamp"])
    if not -_AHEAD_MS < behind_ms <= min(int(window), _LONGEST_WINDOW_MS):
        raise rejections.outside_window()
