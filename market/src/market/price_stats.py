"""Returns and volatility of klines, by period. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_DOWN, Context, Decimal
from typing import NamedTuple

from market.interval import DAY_MS, Interval

YEAR_MS = 365 * DAY_MS
_MONTHS_A_YEAR = 12
_EXACT = Context(prec=60)
_EIGHT_DECIMALS = Decimal(1).scaleb(-8)


class Volatility(NamedTuple):
    """How prices moved within a period; `None` where it can't be told.

    Attributes:
        realised: the square root of the sum of squared log-returns.
        annualised: that of their mean, times the square root of the klines a year.
    """

    realised: float | None
    annualised: float | None


def measure_volatility(interval: Interval, prices: Iterable[float]) -> Volatility:
    """Return the volatility of the open of a period's first kline and the closes of all.

    Crypto is traded all year: a year has 365 days, or twelve months of 1M. A return across
    missing klines counts as one.
    """
    before: float | None = None
    returns: list[float] = []
    for price in prices:
        if price <= 0:
            return Volatility(None, None)
        if before is not None:
            returns.append(math.log(price / before))
        before = price
    if len(returns) < 2:
        return Volatility(None, None)
    squares = math.fsum(one * one for one in returns)
    a_year = _MONTHS_A_YEAR if interval.step_ms is None else YEAR_MS / interval.step_ms
    return Volatility(math.sqrt(squares), math.sqrt(squares / len(returns) * a_year))


def find_vwap(quote_volume: str, volume: str) -> str | None:
    """Return the volume-weighted average price, cut to eight decimals; `None` without volume."""
    amount = Decimal(volume)
    if not amount:
        return None
    price = _EXACT.divide(Decimal(quote_volume), amount)
    return f"{price.quantize(_EIGHT_DECIMALS, rounding=ROUND_DOWN, context=_EXACT):f}"


def change(start: str, end: str) -> tuple[float | None, float | None]:
    """Return the simple and the logarithmic return from one price to another."""
    first, last = Decimal(start), Decimal(end)
    if first <= 0 or last <= 0:
        return None, None
    ratio = _EXACT.divide(last, first)
    return float(ratio - 1), math.log(ratio)
