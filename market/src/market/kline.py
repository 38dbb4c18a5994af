"""The kline: one OHLCV row as Binance sends it, exact to the last digit."""

from __future__ import annotations

from decimal import Decimal
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
