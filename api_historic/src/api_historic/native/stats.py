"""`GET /v1/stats`: returns, volatility and volume of a series, by period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from api_historic.cursor import Position, write_cursor
from api_historic.native.parameters import (
    Checked,
    PagedQuery,
    SeriesQuery,
    check_order,
    integer,
    moment,
    only,
)
from api_historic.native.resample import DAY
from api_historic.responses import bytes_response
from api_historic.service import Service
from market.aggregation import Bucket, merge_buckets
from market.errors import InvalidParameter, NotFound
from market.gaps import Range
from market.grid import Grid, grid_of
from market.history_shapes import PeriodStats, StatsPage
from market.interval import DAY_MS, Interval
from market.price_stats import change, find_vwap, measure_volatility
from market.store.kline_buckets import Steps, read_buckets
from market.store.kline_prices import read_prices
from market.store.series_extents import SeriesState, read_series_states
from market.store.symbols import find_series

WHOLE = "all"
PERIODS = (*(one.value for one in Interval if one.typical_ms >= Interval.H1.typical_ms), WHOLE)
MAX_PERIODS = 10_000
#: Slots one page looks at, at most.
MAX_SLOTS = 2_000_000


def _period(value: object) -> str:
    if value not in PERIODS:
        raise InvalidParameter("period", str(value)[:40], "one of " + " ".join(PERIODS))
    return str(value)


class StatsQuery(PagedQuery, SeriesQuery):
    """The parameters of `GET /v1/stats`."""

    period: Annotated[str, Checked(_period, schema={"type": "string", "enum": list(PERIODS)})] = (
        Field(
            "1d",
            description="Statistics of each hour, day, ... or of `all` of the range as one."
            " Never finer than `interval`.",
        )
    )
    start: Annotated[int | None, moment("start")] = Field(
        None,
        description="Periods open at this time or later: ms, YYYY-MM-DD or ISO-8601 with"
        " offset. Default: from the period of the first stored kline.",
    )
    end: Annotated[int | None, moment("end")] = Field(
        None, description="Periods open before this time; of `all`, klines do."
    )
    limit: Annotated[int, integer("limit", 1, MAX_PERIODS)] = Field(
        1_000, description="How many periods a page looks at, at most."
    )


class _Plan(NamedTuple):
    """The periods of a page; without a grid its range is one period."""

    grid: Grid | None
    span: Range
    following_ms: int | None

    def end_of(self, open_ms: int) -> int:
        return self.span.end_ms if self.grid is None else self.grid.next(open_ms)


def build_stats_router(service: Service) -> APIRouter:
    """Return the route of statistics."""
    router = APIRouter(tags=["klines"])

    @router.get("/v1/stats", response_model=StatsPage, dependencies=[Depends(only(StatsQuery))])
    def stats(request: Request, query: Annotated[StatsQuery, Query()]) -> Response:
        """Return returns, volatility, volumes, trades and extremes of each period.

        `return` is close / open - 1, `log_return` ln(close / open). With r the log-returns
        from close to close (of a period's first kline from its open), `realised_volatility`
        is sqrt(sum r^2), `annualised_volatility` sqrt(mean r^2 x klines of 365 days). Money
        is exact, and `completeness` tells what of each period is stored.
        """
        page = answer_stats(service, query)
        return bytes_response(request, page.model_dump_json(by_alias=True).encode())

    return router


def answer_stats(service: Service, query: StatsQuery) -> StatsPage:
    """Return the page a query asks for.

    Raises:
        NotFound: the symbol is not known, or nothing of the interval is stored.
        InvalidParameter: the period is finer than the interval, or the range too long.
    """
    check_order(query.start, query.end)
    _check_period(query)
    now_ms = service.now_ms()
    with service.store.read() as connection:
        series = find_series(connection, query.symbol_name(), query.interval)
        states = read_series_states(
            connection, symbol_ids=[series.symbol_id], interval=query.interval
        )
        if not states:
            raise NotFound(
                f"nothing of {series.symbol} {series.interval} is stored",
                hint="GET /v1/symbols tells which intervals are.",
            )
        plan = _plan(query, states[0], now_ms)
        buckets = _read_periods(connection, states[0], plan)
        prices = read_prices(connection, series, *plan.span)
        periods = list(_iter_stats(plan, query.interval, buckets, prices, now_ms))
    following = None if plan.following_ms is None else write_cursor(Position(plan.following_ms))
    return StatsPage(
        symbol=series.symbol,
        interval=query.interval.value,
        period=query.period,
        periods=periods,
        next=following,
    )


def _check_period(query: StatsQuery) -> None:
    if query.period == WHOLE:
        return
    period = Interval.parse(query.period)
    if not query.interval.divides(period):
        raise InvalidParameter(
            "period",
            query.period,
            f"one that is made of whole klines of {query.interval}, or {WHOLE}",
        )


def _plan(query: StatsQuery, state: SeriesState, now_ms: int) -> _Plan:
    position, interval = query.position(), query.interval
    start_ms = query.start if position is None else position.time_ms
    if query.period == WHOLE:
        first_ms = interval.floor(state.first_open_ms) if start_ms is None else start_ms
        first_ms = interval.ceil(first_ms)
        newest_ms = max(interval.floor(now_ms), interval.close_of(state.last_open_ms) + 1)
        end_ms = newest_ms if query.end is None else min(interval.ceil(query.end), newest_ms)
        span = Range(first_ms, max(first_ms, end_ms))
        if interval.count(*span) > MAX_SLOTS:
            raise InvalidParameter(
                "period",
                WHOLE,
                f"a range of at most {MAX_SLOTS:,} klines",
                hint="Choose a coarser interval, a shorter range, or a period of its own.",
            )
        return _Plan(None, span, None)
    grid = grid_of(Interval.parse(query.period))
    first_ms = grid.floor(state.first_open_ms) if start_ms is None else grid.ceil(start_ms)
    end_ms = grid.next(grid.floor(now_ms))
    if query.end is not None:
        end_ms = min(end_ms, grid.ceil(query.end))
    fits = max(1, MAX_SLOTS * interval.typical_ms // grid.length.typical_ms)
    page_end_ms = grid.add(first_ms, min(query.limit, fits))
    if page_end_ms < end_ms:
        return _Plan(grid, Range(first_ms, page_end_ms), page_end_ms)
    return _Plan(grid, Range(first_ms, max(first_ms, end_ms)), None)


def _read_periods(connection: Connection, state: SeriesState, plan: _Plan) -> list[Bucket]:
    if plan.span.start_ms >= plan.span.end_ms:
        return []
    if plan.grid is None:
        whole = Steps(*plan.span, plan.span.end_ms - plan.span.start_ms)
        return read_buckets(connection, state.series, whole)
    step_ms = plan.grid.length.step_ms
    if step_ms is not None:
        return read_buckets(connection, state.series, Steps(*plan.span, step_ms))
    # Months are of no one length, and days make them up; so does a month on its first.
    days = read_buckets(connection, state.series, Steps(*plan.span, DAY_MS))
    return merge_buckets(days, plan.grid, Grid(DAY))


def _iter_stats(
    plan: _Plan,
    interval: Interval,
    buckets: Sequence[Bucket],
    prices: Sequence[tuple[int, float]],
    now_ms: int,
) -> Iterator[PeriodStats]:
    at = 0
    for bucket in buckets:
        kline = bucket.kline
        end_ms = plan.end_of(kline.open_time_ms)
        closes: list[float] = []
        while at < len(prices) and prices[at][0] < end_ms:
            closes.append(prices[at][1])
            at += 1
        moved = measure_volatility(interval, [float(kline.open), *closes])
        simple, logarithmic = change(kline.open, kline.close)
        expected = interval.count(kline.open_time_ms, end_ms)
        yield PeriodStats.model_validate(
            {
                **{name: getattr(kline, name) for name in _MONEY},
                "start_ms": kline.open_time_ms,
                "end_ms": end_ms,
                "closed": end_ms <= now_ms,
                "klines": bucket.parts,
                "expected": expected,
                "completeness": bucket.parts / expected,
                "vwap": find_vwap(kline.quote_asset_volume, kline.volume),
                "return": simple,
                "log_return": logarithmic,
                "realised_volatility": moved.realised,
                "annualised_volatility": moved.annualised,
            }
        )


_MONEY = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_asset_volume",
    "taker_buy_base_asset_volume",
    "taker_buy_quote_asset_volume",
    "number_of_trades",
)
