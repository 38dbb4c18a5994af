"""Reading the parameters of `/api/v3` as strictly as Binance does. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

import orjson

from api_historic.binance import rejections
from market.errors import InvalidParameter
from market.interval import HOUR_MS, MINUTE_MS, Interval
from market.times import MAX_MS

DEFAULT_LIMIT = 500
MAX_LIMIT = 1000

Pairs = Sequence[tuple[str, str]]

_INTEGER = "^[0-9]{1,20}$"
_INTEGER_PATTERN = re.compile(_INTEGER, re.ASCII)
_MAX_LONG = 2**63 - 1
# The message shows the pattern in Java's dialect, where && takes the small letters out. Not
# all letters are Latin: Binance lists symbols in other scripts, too.
_SYMBOL = r"^[\w\-._&&[^a-z]]{1,50}$"
SYMBOL_CHARACTERS = r"(?:(?![a-z])[\w.\-]){1,50}"
_SYMBOL_PATTERN = re.compile(SYMBOL_CHARACTERS)
_SYMBOLS = r'^\[("[\w\-._&&[^a-z]]{1,50}"(,"[\w\-._&&[^a-z]]{1,50}"){0,}){0,1}\]$'
_ZONE = re.compile(r"([+-]?)(\d{1,2})(?::([0-5]\d))?", re.ASCII)
#: No time in milliseconds is this large; what is, counts microseconds.
_FIRST_MICROSECONDS = 10**15

_KLINES = ("symbol", "interval", "startTime", "endTime", "timeZone", "limit")
_INFO = ("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus")
_PRICE = ("symbol", "symbols", "symbolStatus")
STATUSES = ("TRADING", "HALT", "BREAK")


class KlinesCall(NamedTuple):
    """What a call of `klines` asks for; both times inclusive, `zone_ms` shifts the grid."""

    symbol: str
    interval: Interval
    start_ms: int | None
    end_ms: int | None
    zone_ms: int
    limit: int


class InfoCall(NamedTuple):
    """What a call of `exchangeInfo` asks for; `None` means all."""

    symbols: list[str] | None
    permissions: list[str] | None
    status: str | None
    shows_permission_sets: bool


class PriceCall(NamedTuple):
    """What a call of `ticker/price` asks for; `symbols` is `None` for all.

    `is_single` tells that one symbol was named, and not a list of one.
    """

    symbols: list[str] | None
    is_single: bool
    status: str | None


def read_klines_call(pairs: Pairs) -> KlinesCall:
    """Read the parameters of `klines` and `uiKlines`.

    Raises:
        Rejection: as Binance would.
    """
    sent = _collect(pairs)
    symbol = _symbol(_mandatory(sent, "symbol"))
    interval_text = _mandatory(sent, "interval")
    start_ms = _time(sent, "startTime", round_up=True)
    end_ms = _time(sent, "endTime", round_up=False)
    limit = _integer(sent, "limit")
    zone_ms = _zone(sent)
    _check_read(sent, _KLINES)
    if limit is None:
        limit = DEFAULT_LIMIT
    elif limit == 0:
        raise rejections.invalid_value("limit")
    try:
        interval = Interval.parse(interval_text)
    except InvalidParameter:
        raise rejections.invalid_interval() from None
    return KlinesCall(symbol, interval, start_ms, end_ms, zone_ms, min(limit, MAX_LIMIT))


def read_info_call(pairs: Pairs) -> InfoCall:
    """Read the parameters of `exchangeInfo`.

    Raises:
        Rejection: as Binance would.
    """
    sent = _collect(pairs)
    _check_read(sent, _INFO)
    filters = [name for name in ("permissions", "symbolStatus") if name in sent]
    if ("symbol" in sent) + ("symbols" in sent) + bool(filters) > 1:
        raise rejections.bad_combination()
    return InfoCall(
        _chosen(sent),
        _permissions(sent),
        _status(sent),
        _shows_permission_sets(sent),
    )


def read_price_call(pairs: Pairs) -> PriceCall:
    """Read the parameters of `ticker/price`.

    Raises:
        Rejection: as Binance would.
    """
    sent = _collect(pairs)
    _check_read(sent, _PRICE)
    if "symbol" in sent and "symbols" in sent:
        raise rejections.bad_combination()
    symbols = _chosen(sent)
    if symbols is not None and len(set(symbols)) != len(symbols):
        raise rejections.duplicate_symbols()
    return PriceCall(symbols, "symbol" in sent, _status(sent))


def read_average_call(pairs: Pairs) -> str:
    """Read the parameters of `avgPrice`: the symbol.

    Raises:
        Rejection: as Binance would.
    """
    sent = _collect(pairs)
    symbol = _symbol(_mandatory(sent, "symbol"))
    _check_read(sent, ("symbol",))
    return symbol


def check_no_parameters(pairs: Pairs) -> None:
    """Refuse any parameter, as `ping` and `time` do.

    Raises:
        Rejection: as Binance would.
    """
    if pairs:
        raise rejections.too_many_parameters(len(pairs))


def _collect(pairs: Pairs) -> dict[str, str]:
    sent = dict(pairs)
    if len(sent) != len(pairs):
        raise rejections.duplicate_values()
    return sent


def _check_read(sent: dict[str, str], known: Collection[str]) -> None:
    read = sum(name in known for name in sent)
    if read != len(sent):
        raise rejections.unread_parameters(read, len(sent))


def _present(sent: dict[str, str], name: str) -> str:
    if not sent[name]:
        raise rejections.empty_parameter(name)
    return sent[name]


def _mandatory(sent: dict[str, str], name: str) -> str:
    text = sent.get(name)
    if not text:
        raise rejections.mandatory_parameter(name)
    return text


def _symbol(text: str) -> str:
    if _SYMBOL_PATTERN.fullmatch(text) is None:
        raise rejections.illegal_characters("symbol", _SYMBOL)
    return text


def _symbols(text: str) -> list[str]:
    try:
        names = orjson.loads(text)
    except orjson.JSONDecodeError:
        names = None
    if not isinstance(names, list) or not all(
        isinstance(name, str) and _SYMBOL_PATTERN.fullmatch(name) for name in names
    ):
        raise rejections.illegal_characters("symbols", _SYMBOLS)
    return names


def _permissions(sent: dict[str, str]) -> list[str] | None:
    if "permissions" not in sent:
        return None
    text = _present(sent, "permissions")
    try:
        names = orjson.loads(text) if text.startswith("[") else [text]
    except orjson.JSONDecodeError:
        names = []
    if not names or not all(isinstance(name, str) for name in names):
        raise rejections.invalid_value("permissions")
    return list(names)


def _chosen(sent: dict[str, str]) -> list[str] | None:
    if "symbol" in sent:
        return [_symbol(_present(sent, "symbol"))]
    if "symbols" in sent:
        return _symbols(_present(sent, "symbols"))
    return None


def _status(sent: dict[str, str]) -> str | None:
    if "symbolStatus" not in sent:
        return None
    if _present(sent, "symbolStatus") not in STATUSES:
        raise rejections.invalid_symbol_status()
    return sent["symbolStatus"]


def _shows_permission_sets(sent: dict[str, str]) -> bool:
    if "showPermissionSets" not in sent:
        return True
    if _present(sent, "showPermissionSets") not in ("true", "false"):
        raise rejections.invalid_value("showPermissionSets")
    return sent["showPermissionSets"] == "true"


def _integer(sent: dict[str, str], name: str) -> int | None:
    if name not in sent:
        return None
    text = _present(sent, name)
    if _INTEGER_PATTERN.fullmatch(text) is None:
        raise rejections.illegal_characters(name, _INTEGER)
    if int(text) > _MAX_LONG:
        raise rejections.mandatory_parameter(name)
    return int(text)


def _time(sent: dict[str, str], name: str, *, round_up: bool) -> int | None:
    value = _integer(sent, name)
    if value is None or value < _FIRST_MICROSECONDS:
        return value
    return min((value + (999 if round_up else 0)) // 1000, MAX_MS)


def _zone(sent: dict[str, str]) -> int:
    if "timeZone" not in sent:
        return 0
    match = _ZONE.fullmatch(_present(sent, "timeZone"))
    if match is None:
        raise rejections.invalid_value("timeZone")
    sign, hours, minutes = match.groups()
    zone_ms = int(hours) * HOUR_MS + int(minutes or 0) * MINUTE_MS
    zone_ms = -zone_ms if sign == "-" else zone_ms
    if not -12 * HOUR_MS <= zone_ms <= 14 * HOUR_MS:
        raise rejections.invalid_value("timeZone")
    return zone_ms
