"""The entries of `/api/v3` in `/openapi.json`: parameters as they are checked, answers. Pure."""

from __future__ import annotations

from typing import Any

from api_historic.binance.parameters import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    STATUSES,
    SYMBOL_CHARACTERS,
)
from market.interval import Interval

Entry = dict[str, Any]

_LARGEST = 2**63 - 1
_ERROR = {
    "type": "object",
    "required": ["code", "msg"],
    "properties": {"code": {"type": "integer"}, "msg": {"type": "string"}},
    "additionalProperties": False,
    "example": {"code": -1121, "msg": "Invalid symbol."},
}
_DECIMAL = {"type": "string", "pattern": r"^\d+\.\d{8}$", "example": "42000.01000000"}
_TIME = {"type": "integer", "example": 1_704_067_200_000}
_KLINE = {
    "type": "array",
    "description": "Open time, open, high, low, close, volume, close time, quote asset volume,"
    " number of trades, taker buy base and quote asset volume, unused: times and number are"
    " integers, all else is text.",
    "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    "minItems": 12,
    "maxItems": 12,
}
_PRICE = {
    "type": "object",
    "required": ["symbol", "price"],
    "properties": {"symbol": {"type": "string", "example": "BTCUSDT"}, "price": _DECIMAL},
    "additionalProperties": False,
}
_AS_OF = {
    "X-Klinecast-As-Of": {
        "description": "Up to when the klines behind the answer reach, in ms; of several prices"
        " the oldest.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    }
}


def _content(schema: Entry) -> Entry:
    return {"application/json": {"schema": schema}}


def _parameter(name: str, description: str, schema: Entry, *, required: bool = False) -> Entry:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": schema,
    }


def _entry(parameters: list[Entry], answer: Entry, headers: Entry | None = None) -> Entry:
    success = {"description": "As Binance answers.", "content": _content(answer)}
    return {
        "parameters": parameters,
        "responses": {"200": {**success, "headers": headers} if headers else success},
    }


def _symbol(*, required: bool = False) -> Entry:
    schema = {"type": "string", "pattern": f"^{SYMBOL_CHARACTERS}$", "example": "BTCUSDT"}
    return _parameter("symbol", "In capitals.", schema, required=required)


_SYMBOLS = _parameter(
    "symbols",
    "A JSON array; not together with `symbol`.",
    {
        "type": "string",
        "pattern": rf'^\[("{SYMBOL_CHARACTERS}"(,"{SYMBOL_CHARACTERS}")*)?\]$',
        "example": '["BTCUSDT","ETHUSDT"]',
    },
)
_STATUS = _parameter(
    "symbolStatus", "Symbols of this status alone.", {"type": "string", "enum": [*STATUSES]}
)
_TIME_UNIT = {
    "name": "X-MBX-TIME-UNIT",
    "in": "header",
    "required": False,
    "description": "The unit of the times answered.",
    "schema": {
        "type": "string",
        "enum": ["MILLISECOND", "MICROSECOND", "millisecond", "microsecond"],
        "default": "MILLISECOND",
    },
}
_MOMENT = {"type": "integer", "minimum": 0, "maximum": _LARGEST, "example": 1_704_067_200_000}

#: What every call may answer in place of data.
BINANCE_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": _content(_ERROR)}
    for status, description in (
        (400, "A parameter is missing or wrong, in Binance's codes and words."),
        (401, "The API key is missing or not valid."),
        (403, "The API key does not allow this."),
        (429, "The key's rate or quota is used up; `Retry-After` says how long to wait."),
        (503, "The store is away; `Retry-After` says how long to wait."),
    )
}

PING = _entry([], {"type": "object", "maxProperties": 0})
TIME = _entry(
    [_TIME_UNIT],
    {"type": "object", "required": ["serverTime"], "properties": {"serverTime": _TIME}},
)
EXCHANGE_INFO = _entry(
    [
        _symbol(),
        _SYMBOLS,
        _parameter(
            "permissions",
            "One permission, or a JSON array; by default SPOT, MARGIN and LEVERAGED."
            " Not together with `symbol` or `symbols`.",
            {"type": "string", "minLength": 1, "example": "SPOT"},
        ),
        _parameter(
            "showPermissionSets",
            "Whether `permissionSets` are told.",
            {"type": "string", "enum": ["true", "false"], "default": "true"},
        ),
        _STATUS,
    ],
    {
        "type": "object",
        "required": ["timezone", "serverTime", "rateLimits", "exchangeFilters", "symbols"],
        "properties": {
            "timezone": {"const": "UTC"},
            "serverTime": _TIME,
            "rateLimits": {"type": "array", "items": {"type": "object"}},
            "exchangeFilters": {"type": "array", "maxItems": 0},
            "symbols": {"type": "array", "items": {"type": "object"}},
        },
    },
)
KLINES = _entry(
    [
        _symbol(required=True),
        _parameter(
            "interval",
            "Case-sensitive.",
            {"type": "string", "enum": [interval.value for interval in Interval]},
            required=True,
        ),
        _parameter("startTime", "Oldest open time, ms or microseconds, inclusive.", _MOMENT),
        _parameter("endTime", "Newest open time, ms or microseconds, inclusive.", _MOMENT),
        _parameter(
            "timeZone",
            "Where days, weeks and months begin at midnight; -12:00 to +14:00.",
            {
                "type": "string",
                "pattern": r"^(-(0?[0-9]|1[01])(:[0-5][0-9])?|-12(:00)?"
                r"|\+?(0?[0-9]|1[0-3])(:[0-5][0-9])?|\+?14(:00)?)$",
                "default": "0",
                "example": "8",
            },
        ),
        _parameter(
            "limit",
            f"Klines at most; more than {MAX_LIMIT} is {MAX_LIMIT}.",
            {"type": "integer", "minimum": 1, "maximum": _LARGEST, "default": DEFAULT_LIMIT},
        ),
        _TIME_UNIT,
    ],
    {"type": "array", "items": _KLINE, "maxItems": MAX_LIMIT},
)
TICKER_PRICE = _entry(
    [_symbol(), _SYMBOLS, _STATUS],
    {"oneOf": [_PRICE, {"type": "array", "items": _PRICE}]},
    _AS_OF,
)
AVERAGE_PRICE = _entry(
    [_symbol(required=True), _TIME_UNIT],
    {
        "type": "object",
        "required": ["mins", "price", "closeTime"],
        "properties": {
            "mins": {"type": "integer", "minimum": 1, "example": 5},
            "price": _DECIMAL,
            "closeTime": _TIME,
        },
        "additionalProperties": False,
    },
    _AS_OF,
)
