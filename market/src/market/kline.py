"""The kline: one OHLCV row as Binance sends it, exact to the last digit."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from market.errors import DataError
from market.interval import Interval

#: The twelve fields in Binance's order; the last carries nothing and is not kept apart.
KLINE_FIELDS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_asset_volume",
    "number_of_trades",
    "taker_buy_base_asset_volume",
    "taker_buy_quote_asset_volume",
    "ignore",
)


class Kline(NamedTuple):
    """One closed kline, its numbers as the text Binance wrote (eight decimals).

    The field order is Binance's, so `Kline(*row)` reads a REST row and `list(kline)` is
    one. Times are UTC epoch milliseconds as received, `close_time_ms` inclusive.
    Prices are in the quote currency, `volume` and `taker_buy_base_asset_volume` in the
    base currency. `ignore` is Binance's unused twelfth field.
    """

    open_time_ms: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    close_time_ms: int
    quote_asset_volume: str
    number_of_trades: int
    taker_buy_base_asset_volume: str
    taker_buy_quote_asset_volume: str
    ignore: str = "0"


#: Digits before the point that the store keeps of a price and of an amount; eight after it.
PRICE_DIGITS = 12
AMOUNT_DIGITS = 20
_DECIMALS = 8
_PRICE = rf"[0-9]{{1,{PRICE_DIGITS}}}\.[0-9]{{{_DECIMALS}}}"
_AMOUNT = rf"[0-9]{{1,{AMOUNT_DIGITS}}}\.[0-9]{{{_DECIMALS}}}"
_IGNORE = r"[ -\[\]-~]{0,40}"
_TIME = "[0-9]{1,15}"
#: A kline as one line; one match is cheaper than looking at twelve fields.
_EXACT = re.compile(
    "\t".join(
        (_TIME, *[_PRICE] * 4, _AMOUNT, _TIME, _AMOUNT, "[0-9]{1,18}", _AMOUNT, _AMOUNT, _IGNORE)
    )
)
_DECIMAL_FIELDS = {
    "open": PRICE_DIGITS,
    "high": PRICE_DIGITS,
    "low": PRICE_DIGITS,
    "close": PRICE_DIGITS,
    "volume": AMOUNT_DIGITS,
    "quote_asset_volume": AMOUNT_DIGITS,
    "taker_buy_base_asset_volume": AMOUNT_DIGITS,
    "taker_buy_quote_asset_volume": AMOUNT_DIGITS,
}


def exact_kline(kline: Kline) -> Kline:
    """Return the kline with its numbers at exactly eight decimals, as Binance writes them.

    Raises:
        DataError: a value has more digits than can be kept, or is not what its field holds.
    """
    if _EXACT.fullmatch("\t".join(map(str, kline))):
        return kline
    written = {name: _exact(kline, name, digits) for name, digits in _DECIMAL_FIELDS.items()}
    exact = Kline(**{**kline._asdict(), **written})
    if not _EXACT.fullmatch("\t".join(map(str, exact))):
        raise DataError(
            f"kline {kline.open_time_ms} holds a time, a count or an unused field"
            f" that can't be true: {tuple(kline)!r}"
        )
    return exact


def _exact(kline: Kline, name: str, digits: int) -> str:
    value = getattr(kline, name)
    try:
        number = Decimal(value)
        rounded = number.quantize(Decimal(1).scaleb(-_DECIMALS))
    except InvalidOperation:
        number = rounded = Decimal("NaN")
    if rounded != number or rounded.is_signed() or rounded.adjusted() >= digits:
        raise DataError(
            f"{name} of kline {kline.open_time_ms} was {value!r}; expected a number of at most"
            f" {digits} digits and {_DECIMALS} decimals, not negative"
        )
    return f"{rounded:f}"


def is_irregular(kline: Kline, interval: Interval) -> bool:
    """Tell whether the open or the close time is off the interval's grid."""
    open_ms = kline.open_time_ms
    return not interval.is_on_grid(open_ms) or kline.close_time_ms != interval.close_of(open_ms)


def check_kline(kline: Kline) -> None:
    """Check that a kline can be true: low <= open, close <= high, nothing negative.

    Raises:
        DataError: naming the open time and the rule that is broken.
    """
    try:
        low, high = Decimal(kline.low), Decimal(kline.high)
        inside = low <= Decimal(kline.open) <= high and low <= Decimal(kline.close) <= high
        amounts = (
            kline.volume,
            kline.quote_asset_volume,
            kline.taker_buy_base_asset_volume,
            kline.taker_buy_quote_asset_volume,
        )
        negative = low < 0 or kline.number_of_trades < 0 or any(Decimal(a) < 0 for a in amounts)
    except ArithmeticError:
        raise DataError(
            f"kline {kline.open_time_ms} holds something that is not a number: {tuple(kline)!r}"
        ) from None
    if not inside:
        raise DataError(
            f"kline {kline.open_time_ms} breaks low <= open, close <= high: "
            f"open {kline.open}, high {kline.high}, low {kline.low}, close {kline.close}"
        )
    if negative:
        raise DataError(f"kline {kline.open_time_ms} holds a negative amount")
    if kline.close_time_ms < kline.open_time_ms:
        raise DataError(
            f"kline {kline.open_time_ms} closes before it opens, at {kline.close_time_ms}"
        )
