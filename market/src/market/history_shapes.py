"""The shapes of what the history API works out: resampled klines, statistics, coverage, gaps."""

from __future__ import annotations

from pydantic import Field

from market.forecast import Shape
from market.gaps import Cause
from market.shapes import GapShape


class ResamplePage(Shape):
    """The answer of `GET /v1/resample`: klines made of those of `source`.

    A row of `klines` has Binance's first eleven fields, and then: `parts`, how many of the
    source's klines are in it; `of`, how many its slot has; `closed`, whether the slot has
    ended by the exchange's clock. Slots without any kline have no row. All slots are counted
    from `anchor_ms`. `completeness`, `complete` and `gaps` speak of the source's slots between
    the page's first and last, up to the exchange's time.
    """

    symbol: str
    interval: str
    source: str
    anchor_ms: int
    fields: list[str]
    klines: list[list[int | str | bool]]
    complete: bool
    completeness: float
    gaps: list[GapShape]
    next: str | None = None


class PeriodStats(Shape):
    """What happened in one period [start_ms, end_ms); money is exact, as decimal strings.

    `return` is close / open - 1 and `log_return` ln(close / open), open being that of the
    period's first kline. `realised_volatility` is the square root of the sum of r^2, r being
    ln(close / open) of the first kline and ln(close / the close before) of all others;
    `annualised_volatility` is the square root of the mean of r^2 times the klines of 365 days
    (12 of 1M). Both are null below two klines, or where a price is zero. `vwap` is
    quote_asset_volume / volume, cut to eight decimals; null where nothing was traded.
    `klines` of `expected` slots hold one, their ratio is `completeness`; `closed` tells
    whether the period has ended by the exchange's clock.
    """

    start_ms: int
    end_ms: int
    closed: bool
    klines: int
    expected: int
    completeness: float
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_asset_volume: str
    taker_buy_base_asset_volume: str
    taker_buy_quote_asset_volume: str
    number_of_trades: int
    vwap: str | None
    return_: float | None = Field(alias="return", serialization_alias="return")
    log_return: float | None
    realised_volatility: float | None
    annualised_volatility: float | None


class StatsPage(Shape):
    """The answer of `GET /v1/stats`, oldest period first; those without a kline are left out."""

    symbol: str
    interval: str
    period: str
    periods: list[PeriodStats]
    next: str | None = None


class MonthCoverage(Shape):
    """How much of one UTC month of a series is stored, its slots outside the extent aside."""

    month_ms: int
    count: int
    expected: int
    completeness: float


class SeriesCoverage(Shape):
    """How much of one series is stored, from its first to its last kline.

    `count` counts klines; `completeness` is the fraction of the slots from first to last that
    hold one. `watermark_ms` is the newest open time below which no unexplained gap remains,
    and every kline that opens before `confirmed_until_ms` was confirmed by the archive or by
    REST; null where neither was told yet. `lag_ms` is the exchange's time less the newest
    stored close. `months` only with `by=month`.
    """

    symbol: str
    interval: str
    first_open_ms: int
    last_open_ms: int
    count: int
    expected: int
    completeness: float
    watermark_ms: int | None
    confirmed_until_ms: int | None
    lag_ms: int
    months: list[MonthCoverage] | None = None


class CoveragePage(Shape):
    """The answer of `GET /v1/coverage`, by symbol and interval."""

    series: list[SeriesCoverage]
    next: str | None = None


class LedgerGapShape(Shape):
    """One entry of the gap ledger: a half-open range of open times that are, or were, missing.

    `slots` counts them; `first_seen_ms` and `resolved_ms` (null while open) are the exchange's.
    """

    symbol: str
    interval: str
    start_ms: int
    end_ms: int
    slots: int
    cause: Cause
    first_seen_ms: int
    resolved_ms: int | None


class GapPage(Shape):
    """The answer of `GET /v1/gaps`, by series and start."""

    gaps: list[LedgerGapShape]
    next: str | None = None
