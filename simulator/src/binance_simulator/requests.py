"""Reading the parameters of REST requests as strictly as Binance does."""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson

from binance_simulator import rejections
from binance_simulator.grid import Grid
from binance_simulator.history import Query
from market.errors import InvalidParameter
from market.interval import HOUR_MS, MINUTE_MS, Interval
from market.times import MAX_MS

DEFAULT_LIMIT = 500
MAX_LIMIT = 1000
#: Times of the future in milliseconds stay below this; larger ones are microseconds.
_FIRST_MICROSECOND = 100_000_000_000_000
_INTEGER = "^[0-9]{1,20}$"
# Binance's own words. In its dialect `&&` takes the small letters out of the class.
_SYMBOL = r"^[\w\-._&&[^a-z]]{1,50}$"
_SYMBOL_PATTERN = re.compile(r"[A-Z0-9_\-.]{1,50}")
_SYMBOLS = r'^\[("[\w\-._&&[^a-z]]{1,50}"(,"[\w\-._&&[^a-z]]{1,50}"){0,}){0,1}\]$'
_TIME_ZONE = re.compile(r"(?P<sign>[+-]?)(?P<hours>\d{1,2})(:(?P<minutes>[0-5]\d))?")

Pairs = Sequence[tuple[str, str]]

_KLINES_PARAMETERS = ("symbol", "interval", "startTime", "endTime", "timeZone", "limit")
_INFO_PARAMETERS = (
    "symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus",
)  # fmt: skip


def read_klines_query(pairs: Pairs) -> Query:
    """Read the parameters of `klines`.

    Raises:
        Rejection: what Binance would answer.
    """
    sent = _collect(pairs, _KLINES_PARAMETERS)
    symbol = _read_symbol(sent.get("symbol"))
    interval = _read_interval(sent.get("interval"))
    start_ms = _read_time("startTime", sent, round_up=True)
    end_ms = _read_time("endTime", sent, round_up=False)
    offset_ms = _read_time_zone(sent)
    limit = _read_integer("limit", sent)
    if limit is None:
        limit = DEFAULT_LIMIT
    if limit == 0:
        raise rejections.invalid_value("limit")
    _check_all_read(pairs, _KLINES_PARAMETERS)
    return Query(symbol, Grid(interval, offset_ms), start_ms, end_ms, min(limit, MAX_LIMIT))


def read_info_query(pairs: Pairs) -> tuple[list[str] | None, dict[str, str]]:
    """Read the parameters of `exchangeInfo`: the symbols asked for, and all parameters.

    Raises:
        Rejection: what Binance would answer.
    """
    sent = _collect(pairs, _INFO_PARAMETERS)
    _check_all_read(pairs, _INFO_PARAMETERS)
    if "symbol" in sent and "symbols" in sent:
        raise rejections.Rejection(-1128, "Combination of optional parameters invalid.")
    if "symbol" in sent:
        return [_read_symbol(sent["symbol"])], sent
    if "symbols" not in sent:
        return None, sent
    try:
        symbols = orjson.loads(sent["symbols"])
    except orjson.JSONDecodeError:
        raise rejections.illegal_characters("symbols", _SYMBOLS) from None
    if not isinstance(symbols, list) or not all(
        isinstance(symbol, str) and _SYMBOL_PATTERN.fullmatch(symbol) for symbol in symbols
    ):
        raise rejections.illegal_characters("symbols", _SYMBOLS)
    return symbols, sent


def check_no_parameters(pairs: Pairs) -> None:
    """Refuse any parameter, as `ping` and `time` do."""
    if pairs:
        raise rejections.too_many_parameters(len(pairs))


def _collect(pairs: Pairs, known: Sequence[str]) -> dict[str, str]:
    sent: dict[str, str] = {}
    for name, value in pairs:
        if name in sent:
            raise rejections.duplicate_parameter()
        if name in known:
            sent[name] = value
    return sent


def _check_all_read(pairs: Pairs, known: Sequence[str]) -> None:
    read = sum(name in known for name, _ in pairs)
    if read != len(pairs):
        raise rejections.unread_parameters(read, len(pairs))


def _read_symbol(text: str | None) -> str:
    if text is None:
        raise rejections.missing_parameter("symbol")
    if not text:
        raise rejections.empty_parameter("symbol")
    if not _SYMBOL_PATTERN.fullmatch(text):
        raise rejections.illegal_characters("symbol", _SYMBOL)
    return text


def _read_interval(text: str | None) -> Interval:
    if text is None:
        raise rejections.missing_parameter("interval")
    if not text:
        raise rejections.empty_parameter("interval")
    try:
        return Interval.parse(text)
    except InvalidParameter:
        raise rejections.invalid_interval() from None


def _read_integer(name: str, sent: dict[str, str]) -> int | None:
    text = sent.get(name)
    if text is None:
        return None
    if not text:
        raise rejections.empty_parameter(name)
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise rejections.illegal_characters(name, _INTEGER)
    return int(text)


def _read_time(name: str, sent: dict[str, str], *, round_up: bool) -> int | None:
    value = _read_integer(name, sent)
    if value is None or value < _FIRST_MICROSECOND:
        return value
    return min((value + 999 * round_up) // 1000, MAX_MS)


def _read_time_zone(sent: dict[str, str]) -> int:
    text = sent.get("timeZone")
    if text is None:
        return 0
    match = _TIME_ZONE.fullmatch(text)
    if match is None:
        raise rejections.invalid_value("timeZone")
    offset_ms = int(match["hours"]) * HOUR_MS + int(match["minutes"] or 0) * MINUTE_MS
    offset_ms = -offset_ms if match["sign"] == "-" else offset_ms
    if not -12 * HOUR_MS <= offset_ms <= 14 * HOUR_MS:
        raise rejections.invalid_value("timeZone")
    return offset_ms
