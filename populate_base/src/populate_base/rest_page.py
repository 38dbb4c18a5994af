"""A page of `GET /api/v3/klines` to checked klines, quickly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from market.errors import DataError
from market.gaps import Range
from market.kline import Kline
from populate_base.parse import check_klines, parse_rest_row

_FIELDS = 12
#: Open time, close time and number of trades, which come as whole numbers; none of them
#: reaches this in a thousand years.
_WHOLE = (0, 6, 8)
_FIRST_UNLIKELY = 100_000_000_000_000
_DECIMAL = r"\d{1,20}\.\d{8}"
_PLAIN = re.compile(rf"(?:{_DECIMAL},){{8}}(?:0|{_DECIMAL})", re.ASCII)


def parse_page(rows: Any, span: Range, origin: str) -> list[Kline]:
    """Return the klines of a page: each one true, in order, opening within the span.

    Raises:
        DataError: naming the origin and the first row that breaks a rule.
    """
    if not isinstance(rows, list):
        raise DataError(f"{origin}: Binance sent {rows!r:.80}; expected a list of klines")
    klines = [_read_plain(row) or parse_rest_row(row) for row in rows]
    return klines if _is_true(klines, span) else check_klines(klines, span, origin)


def _read_plain(row: Any) -> Kline | None:
    """Return the kline of a row just as Binance writes them, `None` for any other."""
    if not isinstance(row, list) or len(row) != _FIELDS:
        return None
    for index in _WHOLE:
        number = row[index]
        if type(number) is not int or not 0 <= number < _FIRST_UNLIKELY:
            return None
    try:
        # One match of a joined line is cheaper than nine of its parts.
        texts = ",".join((*row[1:6], row[7], *row[9:]))
    except TypeError:
        return None
    return Kline._make(row) if _PLAIN.fullmatch(texts) else None


def _is_true(klines: Sequence[Kline], span: Range) -> bool:
    """Tell that every rule is kept; where floats can't tell, say that it is not.

    Rounding to a float never turns the order of two numbers around, so that what is less as
    a float is less; only numbers with equal floats need a closer look.
    """
    least_ms = span.start_ms
    for kline in klines:
        open_ms, o, h, low, c, _volume, close_ms = kline[:7]
        if not least_ms <= open_ms < span.end_ms or close_ms < open_ms:
            return False
        least, most = float(low), float(h)
        for price in (o, c):
            if price != low and not least < float(price):
                return False
            if price != h and not float(price) < most:
                return False
        least_ms = open_ms + 1
    return True
