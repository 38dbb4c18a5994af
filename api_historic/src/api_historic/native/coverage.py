"""`GET /v1/coverage`: how much of each series is stored, whole or by month."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api_historic.cursor import read_mark, write_mark
from api_historic.native.listing import find_numbers, names
from api_historic.native.parameters import (
    Chosen,
    PagedQuery,
    integer,
    only,
)
from api_historic.service import Service
from market.gaps import Range
from market.history_shapes import CoveragePage, MonthCoverage, SeriesCoverage
from market.interval import Interval
from market.store.kline_months import month_of
from market.store.month_counts import MonthCount, MonthCounts
from market.store.series_extents import SeriesState, read_series_states
from market.store.symbols import read_symbols

MAX_SERIES = 10_000
_MARK = re.compile(r"([!-~]{1,64})\|([0-9]{1,2})", re.ASCII)


class CoverageQuery(PagedQuery):
    """The parameters of `GET /v1/coverage`."""

    symbol: Annotated[tuple[str, ...] | None, names("symbol")] = Field(
        None, description="Only these: one symbol, or several separated by commas."
    )
    interval: Chosen | None = Field(None, description="Only this one.")
    by: Literal["series", "month"] = Field(
        "series", description="`month` adds each series' UTC months, by open time."
    )
    limit: Annotated[int, integer("limit", 1, MAX_SERIES)] = 1_000


def build_coverage_router(service: Service, counts: MonthCounts) -> APIRouter:
    """Return the route of coverage."""
    router = APIRouter(tags=["data"])

    @router.get("/v1/coverage", dependencies=[Depends(only(CoverageQuery))])
    def coverage(query: Annotated[CoverageQuery, Query()]) -> CoveragePage:
        """Return how much of each series is stored, by symbol and interval.

        Completeness is the fraction of the slots between a series' first and last kline that
        hold one; how far the series lags behind the exchange is told apart from that.
        """
        return answer_coverage(service, counts, query)

    return router


def answer_coverage(service: Service, counts: MonthCounts, query: CoverageQuery) -> CoveragePage:
    """Return the page a query asks for.

    Raises:
        NotFound: a symbol that is named is not known.
    """
    mark = None if query.cursor is None else read_mark(query.cursor, _MARK)
    now_ms = service.now_ms()
    with service.store.read() as connection:
        numbers = None
        if query.symbol is not None:
            known = {symbol.symbol: number for number, symbol in read_symbols(connection)}
            numbers = find_numbers(query.symbol, known)
        states = read_series_states(connection, symbol_ids=numbers, interval=query.interval)
        if mark is not None:
            after = (mark[1], int(mark[2]))
            states = [one for one in states if _place(one) > after]
        page = states[: query.limit]
        counted = counts.read(connection, page)
    return CoveragePage(
        series=[
            describe_series(one, counted[one.series], now_ms, by_month=query.by == "month")
            for one in page
        ],
        next=write_mark("|".join(map(str, _place(page[-1])))) if len(states) > len(page) else None,
    )


def _place(state: SeriesState) -> tuple[str, int]:
    return state.series.symbol, state.series.interval.number


def describe_series(
    state: SeriesState, months: Sequence[MonthCount], now_ms: int, *, by_month: bool
) -> SeriesCoverage:
    """Return how much of a series is stored, from the counts of its months. Pure."""
    interval = state.series.interval
    extent = Range(interval.floor(state.first_open_ms), interval.close_of(state.last_open_ms) + 1)
    expected = interval.count(*extent)
    slots = sum(month.slots for month in months)
    return SeriesCoverage(
        symbol=state.series.symbol,
        interval=interval.value,
        first_open_ms=state.first_open_ms,
        last_open_ms=state.last_open_ms,
        count=sum(month.rows for month in months),
        expected=expected,
        completeness=min(1.0, slots / expected),
        watermark_ms=state.watermark_ms,
        confirmed_until_ms=state.confirmed_until_ms,
        lag_ms=now_ms - interval.close_of(state.last_open_ms),
        months=_describe_months(interval, extent, months) if by_month else None,
    )


def _describe_months(
    interval: Interval, extent: Range, months: Sequence[MonthCount]
) -> list[MonthCoverage]:
    """Return every month of the extent that has a slot, also those without a kline."""
    counted = {month.month_ms: month for month in months}
    starts = set(Interval.MO1.iter_opens(month_of(extent.start_ms).start_ms, extent.end_ms))
    found: list[MonthCoverage] = []
    for month_ms in sorted(starts | counted.keys()):
        month = counted.get(month_ms)
        end_ms = min(month_of(month_ms).end_ms, extent.end_ms)
        expected = interval.count(max(month_ms, extent.start_ms), end_ms)
        if expected == 0 and month is None:
            continue
        filled = 0 if month is None else month.slots
        found.append(
            MonthCoverage(
                month_ms=month_ms,
                count=0 if month is None else month.rows,
                expected=expected,
                completeness=min(1.0, filled / expected) if expected else 1.0,
            )
        )
    return found
