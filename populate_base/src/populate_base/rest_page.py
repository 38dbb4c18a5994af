"""A page of `GET /api/v3/klines` to checked klines, quickly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from market.errors import DataError
from market.gaps import Range
from market.kline import Kline
from populate_base.parse import check_klines, parse_rest_row


def parse_page(rows: Any, span: Range, origin: str) -> list[Kline]:
    """Return the klines of a page: each one true, in order, opening within the span.

    Raises:
        DataError: naming the origin and the first row that breaks a rule.
    """
    if not isinstance(rows, list):
        raise DataError(f"{origin}: Binance sent {rows!r:.80}; expected a list of klines")
    klines = [parse_rest_row(row) for row in rows]
    return klines if _is_true(klines, span) else check_klines(klines, span, origin)


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
