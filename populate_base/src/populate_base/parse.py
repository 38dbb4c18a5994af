"""Bytes of the exchange to klines: the one place that knows Binance's formats.

Archive files, REST rows and stream messages all end as `market.kline.Kline`, times in
milliseconds, numbers with the digits Binance wrote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from market.errors import DataError
from market.gaps import Range
from market.interval import Interval
from market.kline import Kline, check_kline
from market.store.symbols import Symbol

_NUMBER = r"([0-9]{1,20}(?:\.[0-9]{1,8})?)"
_TIME = r"([0-9]{1,17})"
_LINE = re.compile(
    ",".join([_TIME, *[_NUMBER] * 5, _TIME, _NUMBER, r"([0-9]{1,15})", *[_NUMBER] * 2, _NUMBER])
)
#: Milliseconds reach this in the year 5138, microseconds passed it in 1973.
FIRST_MICROSECONDS = 100_000_000_000_000


def to_milliseconds(time: int) -> int:
    """Return a time in milliseconds; the archive is in microseconds from 2025-01-01 on.

    The unit is told by each value itself, since files may mix both.
    """
    return time // 1000 if time >= FIRST_MICROSECONDS else time


def parse_line(line: bytes) -> Kline | None:
    """Return the kline of one line of an archive file, `None` where it is not one."""
    match = _LINE.fullmatch(line.decode("ascii", "replace"))
    return None if match is None else _kline(match.groups())


def _kline(fields: Sequence[str]) -> Kline:
    opened, o, h, lo, c, v, closed, q, trades, tb, tq, ignore = fields
    open_ms, close_ms = to_milliseconds(int(opened)), to_milliseconds(int(closed))
    return Kline(open_ms, o, h, lo, c, v, close_ms, q, int(trades), tb, tq, ignore)


def check_klines(klines: Sequence[Kline], span: Range, origin: str) -> list[Kline]:
    """Check what arrived together: each row true, in order, within the range.

    Raises:
        DataError: naming the origin and the first row that breaks a rule.
    """
    checked: list[Kline] = []
    for kline in klines:
        if not repeats(kline, checked[-1] if checked else None, span, origin):
            checked.append(kline)
    return checked


def repeats(kline: Kline, last: Kline | None, span: Range, origin: str) -> bool:
    """Check a kline that arrived after `last`; tell whether it is only the same one again.

    Raises:
        DataError: naming the origin and the rule that the kline breaks.
    """
    try:
        check_kline(kline)
    except DataError as error:
        raise DataError(f"{origin}: {error.detail}") from None
    if not span.start_ms <= kline.open_time_ms < span.end_ms:
        raise DataError(
            f"{origin}: kline {kline.open_time_ms} does not open in"
            f" [{span.start_ms}, {span.end_ms})"
        )
    if last is None or kline.open_time_ms > last.open_time_ms:
        return False
    if kline == last:
        return True
    raise DataError(f"{origin}: kline {kline.open_time_ms} follows {last.open_time_ms}")


def parse_rest_row(row: Sequence[Any]) -> Kline:
    """Return one row of `GET /api/v3/klines`.

    Raises:
        DataError: the row is not a kline.
    """
    try:
        match = _LINE.fullmatch(",".join(map(str, row)))
    except TypeError:
        match = None
    if match is None:
        raise DataError(f"Binance's REST API sent a row that is not a kline: {row!r:.160}")
    return _kline(match.groups())


def parse_stream_message(message: str | bytes) -> tuple[str, Interval, Kline] | None:
    """Return symbol, interval and kline of a stream message that closes a kline, else `None`.

    Takes raw and combined messages. Source: binance-spot-api-docs, web-socket-streams,
    "Kline/Candlestick Streams for UTC".

    Raises:
        DataError: a kline event lacks a field or holds something that is not a number.
    """
    try:
        event: Any = orjson.loads(message)
    except ValueError as error:
        raise DataError(f"the stream sent something that is not JSON: {message!r:.120}") from error
    data = event.get("data", event) if isinstance(event, dict) else None
    if not isinstance(data, dict) or data.get("e") != "kline":
        return None
    k: Any = data.get("k")
    try:
        if k["x"] is not True:
            return None
        row = [k[name] for name in "tohlcvTqnVQ"]
        return str(k["s"]), Interval.parse(k["i"]), parse_rest_row([*row, k.get("B", "0")])
    except (KeyError, TypeError) as error:
        raise DataError(f"the stream sent a kline without {error}: {message!r:.160}") from error


def parse_symbol(entry: Mapping[str, Any]) -> Symbol:
    """Return one entry of `GET /api/v3/exchangeInfo`.

    Raises:
        DataError: it lacks a field.
    """
    try:
        return Symbol(
            symbol=str(entry["symbol"]),
            base_asset=str(entry["baseAsset"]),
            quote_asset=str(entry["quoteAsset"]),
            status=str(entry["status"]),
            info=orjson.dumps(entry).decode(),
        )
    except (KeyError, TypeError) as error:
        raise DataError(f"exchangeInfo holds a symbol without {error}") from error
