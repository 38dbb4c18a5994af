"""The errors of Binance's REST API, word by word."""

from __future__ import annotations

import orjson

#: What the firewall in front of Binance answers; it is not JSON.
_BLOCKED = b"""<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN" \
"http://www.w3.org/TR/html4/loose.dtd">
<HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD>
<BODY><H1>403 ERROR</H1><H2>The request could not be satisfied.</H2>Request blocked.</BODY></HTML>
"""
_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body></body></html>\n"
_RESTRICTED = (
    "Service unavailable from a restricted location according to 'b. Eligibility' in "
    "https://www.binance.com/en/terms. Please contact customer service if you believe you "
    "received this message in error."
)


class Rejection(Exception):
    """A request Binance would refuse: HTTP status, its own code, its own words."""

    def __init__(self, code: int, message: str, status: int = 400, body: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.body = body or orjson.dumps({"code": code, "msg": message})


def illegal_characters(name: str, legal: str) -> Rejection:
    """A parameter holds something its pattern does not allow."""
    return Rejection(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def missing_parameter(name: str) -> Rejection:
    """A mandatory parameter is absent."""
    return Rejection(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def empty_parameter(name: str) -> Rejection:
    """A parameter is there without a value."""
    return Rejection(-1105, f"Parameter '{name}' was empty.")


def too_many_parameters(received: int) -> Rejection:
    """The endpoint takes none at all."""
    return Rejection(-1101, f"Too many parameters; expected '0' and received '{received}'.")


def duplicate_parameter() -> Rejection:
    """A parameter is there twice."""
    return Rejection(-1101, "Duplicate values for a parameter detected.")


def unread_parameters(read: int, sent: int) -> Rejection:
    """The endpoint does not know all parameters."""
    return Rejection(
        -1104,
        f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.",
    )


def invalid_value(name: str) -> Rejection:
    """A parameter is well formed but not valid."""
    return Rejection(-1130, f"Data sent for parameter '{name}' is not valid.")


def invalid_interval() -> Rejection:
    """An interval Binance does not have."""
    return Rejection(-1120, "Invalid interval.")


def invalid_symbol() -> Rejection:
    """A symbol Binance does not have."""
    return Rejection(-1121, "Invalid symbol.")


def weight_used_up(limit: int) -> Rejection:
    """More weight than a minute allows."""
    return Rejection(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use the websocket for live updates to avoid polling the API.",
        429,
    )


def too_many_requests() -> Rejection:
    """More requests than five minutes allow, whatever they weigh."""
    return Rejection(-1003, "Too many requests; current request has limited.", 429)


def unknown_key() -> Rejection:
    """A key nobody knows, or one that may not do this."""
    return Rejection(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def malformed_key() -> Rejection:
    """A signed request without a key."""
    return Rejection(-2014, "API-key format invalid.", 401)


def outside_window() -> Rejection:
    """A signed request whose clock is off."""
    return Rejection(-1021, "Timestamp for this request is outside of the recvWindow.")


def banned(until_ms: int) -> Rejection:
    """Went on after being asked to wait."""
    return Rejection(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use the websocket for live updates to avoid bans.",
        418,
    )


def injected(status: int, weight_limit: int, until_ms: int) -> Rejection:
    """Return what Binance, or what stands before it, was recorded to answer with a status."""
    match status:
        case 429:
            return weight_used_up(weight_limit)
        case 418:
            return banned(until_ms)
        case 451:
            # The one body of Binance that is written over several lines.
            body = f'{{\n  "code": 0,\n  "msg": "{_RESTRICTED}"\n}}'
            return Rejection(0, _RESTRICTED, status, body.encode())
        case 403:
            return Rejection(0, "Request blocked.", status, _BLOCKED)
        case 502:
            return Rejection(0, "Bad Gateway", status, _BAD_GATEWAY)
        case _:
            return unknown_error(status)


def unknown_error(status: int = 500) -> Rejection:
    """Binance itself does not know."""
    return Rejection(-1000, "An unknown error occured while processing the request.", status)
