"""`GET /v1/resample`: klines of any interval, made of stored ones of a finer interval."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from api_historic.cursor import Position, write_cursor
from api_historic.native.parameters import (
    Checked,
    Chosen,
    PagedQuery,
    SymbolQuery,
    check_order,
    integer,
    moment,
    only,
)
from api_historic.responses import bytes_response
from api_historic.service import Service
from market.aggregation import Bucket, merge_buckets
from market.errors import InvalidParameter, NotFound
from market.gaps import Range, completeness, explain_missing, find_missing, merge_ranges
from market.grid import Grid, Length, parse_zone_ms
from market.history_shapes import ResamplePage
from market.interval import DAY_MS, Interval
from market.kline import KLINE_FIELDS
from market.shapes import GapShape
from market.store.gap_ledger import read_gaps
from market.store.kline_buckets import Steps, read_buckets
from market.store.klines import read_open_times
from market.store.series_extents import SeriesState, read_series_states
from market.store.symbols import Series, find_series

FIELDS = [*KLINE_FIELDS[:-1], "parts", "of", "closed"]
MAX_SLOTS = 10_000
#: A page that would look at more of the source's slots ends earlier.
MAX_SOURCE_SLOTS = 2_000_000

DAY = Length.parse("1d")

_Name = Checked(
    lambda text: Length.parse(str(text)).name,
    schema={
        "type": "string",
        "pattern": "^([1-9][0-9]{0,6}s|[1-9][0-9]{0,4}m|[1-9][0-9]{0,2}h"
        "|([1-9]|[1-9][0-9]|[12][0-9]{2}|3[0-5][0-9])d"
        "|([1-9]|[1-4][0-9]|5[0-2])w|([1-9]|1[0-2])M)$",
    },
)
_Zone = Checked(
    lambda value: parse_zone_ms(str(value)),
    schema={
        "type": "string",
        "pattern": "^([+]?([0-9]|1[0-3])(:[0-5][0-9])?|-([0-9]|1[01])(:[0-5][0-9])?)$",
        "example": "8",
    },
)


class ResampleQuery(PagedQuery, SymbolQuery):
    """The parameters of `GET /v1/resample`."""

    interval: Annotated[str, _Name] = Field(
        description="One of Binance's sixteen, or any whole number of s, m, h, d, w or M up to"
        " a year: 10m, 45m, 2d, 3M. Slots are counted from 1970-01-01T00:00Z, those of weeks"
        " from Monday 1970-01-05; the answer states an `anchor_ms`.",
        examples=["45m"],
    )
    source: Chosen | None = Field(
        None, description="The stored interval to make them of. Default: the coarsest that fits."
    )
    start: Annotated[int | None, moment("start")] = Field(
        None,
        description="Slots open at this time or later: ms, YYYY-MM-DD or ISO-8601 with offset."
        " Default: from the slot that holds the first stored kline.",
    )
    end: Annotated[int | None, moment("end")] = Field(
        None, description="Slots open before this time. Default: up to the running one."
    )
    timeZone: Annotated[int, _Zone] = Field(
        "0",
        validate_default=True,
        description="Slots begin at this zone's midnight: +8, -03:30. As Binance's `timeZone`.",
    )
    limit: Annotated[int, integer("limit", 1, MAX_SLOTS)] = Field(
        1_000, description="How many slots a page looks at, at most."
    )


class Plan(NamedTuple):
    """What a page is made of: the grid, its range of whole slots, and the source."""

    grid: Grid
    span: Range
    source: Series
    following_ms: int | None


def build_resample_router(service: Service) -> APIRouter:
    """Return the route that resamples."""
    router = APIRouter(tags=["klines"])

    @router.get(
        "/v1/resample", response_model=ResamplePage, dependencies=[Depends(only(ResampleQuery))]
    )
    def resample(request: Request, query: Annotated[ResampleQuery, Query()]) -> Response:
        """Return klines of any interval, made exactly of stored klines of a finer one.

        Each row tells how many parts of how many it is made of, and whether its slot has ended.
        """
        page = answer_resample(service, query)
        return bytes_response(request, page.model_dump_json().encode())

    return router


def answer_resample(service: Service, query: ResampleQuery) -> ResamplePage:
    """Return the page a query asks for.

    Raises:
        NotFound: the symbol is not known, or nothing stored fits.
        InvalidParameter: the range is none, or the source does not fit.
    """
    check_order(query.start, query.end)
    now_ms = service.now_ms()
    grid = Grid(Length.parse(query.interval), query.timeZone)
    with service.store.read() as connection:
        symbol = find_series(connection, query.symbol_name(), Interval.M1)
        state = find_source(connection, symbol, grid, query.source)
        plan = plan_page(query, grid, state, now_ms)
        buckets = read_grid_buckets(connection, plan)
        missing = _find_missing(connection, plan, buckets, now_ms)
        # Most pages miss nothing: only then is there nothing to explain.
        ledger = read_gaps(connection, plan.source, *plan.span) if missing else []
    interval = plan.source.interval
    covered = Range(plan.span.start_ms, _known_end(plan, now_ms))
    following = None if plan.following_ms is None else write_cursor(Position(plan.following_ms))
    return ResamplePage(
        symbol=plan.source.symbol,
        interval=query.interval,
        source=interval.value,
        anchor_ms=grid.anchor_ms,
        fields=FIELDS,
        klines=[_row(grid, interval, bucket, now_ms) for bucket in buckets],
        complete=not missing,
        completeness=completeness(interval, covered, missing),
        gaps=[GapShape(**gap._asdict()) for gap in explain_missing(missing, ledger)],
        next=following,
    )


def find_source(
    connection: Connection, symbol: Series, grid: Grid, wanted: Interval | None
) -> SeriesState:
    """Return the coarsest stored series whose klines make up the grid's, or the one wanted.

    Raises:
        NotFound: nothing stored fits.
        InvalidParameter: the one wanted does not fit the grid.
    """
    name = grid.length.name
    fitting = [interval for interval in Interval if grid.is_made_of(interval)]
    if wanted is not None and wanted not in fitting:
        raise InvalidParameter(
            "source",
            wanted.value,
            f"an interval whose klines make up whole ones of {name}:"
            f" {' '.join(one.value for one in fitting) or 'there is none'}",
        )
    states = read_series_states(connection, symbol_ids=[symbol.symbol_id])
    stored = {state.series.interval: state for state in states}
    chosen = [one for one in fitting if one in stored and wanted in (None, one)]
    if not chosen:
        raise NotFound(
            f"nothing is stored of {symbol.symbol} that klines of {name} can be made of",
            hint=f"They can be made of {' '.join(one.value for one in fitting) or 'none'};"
            f" stored are {' '.join(one.value for one in stored) or 'none'}."
            " GET /v1/klines gives what is stored as it is.",
        )
    return stored[chosen[-1]]


def plan_page(query: ResampleQuery, grid: Grid, state: SeriesState, now_ms: int) -> Plan:
    """Return what the page is made of; where it ends early, `following_ms` begins the next."""
    position = query.position()
    end_ms = grid.add(grid.floor(now_ms), 1)
    if query.end is not None:
        end_ms = min(end_ms, grid.ceil(query.end))
    if position is not None:
        start_ms = grid.ceil(position.time_ms)
    elif query.start is not None:
        start_ms = grid.ceil(query.start)
    else:
        start_ms = grid.floor(state.first_open_ms)
    interval = state.series.interval
    fits = max(1, MAX_SOURCE_SLOTS * interval.typical_ms // grid.length.typical_ms)
    page_end_ms = grid.add(start_ms, min(query.limit, fits))
    if page_end_ms < end_ms:
        return Plan(grid, Range(start_ms, page_end_ms), state.series, page_end_ms)
    return Plan(grid, Range(start_ms, max(start_ms, end_ms)), state.series, None)


def read_grid_buckets(connection: Connection, plan: Plan) -> list[Bucket]:
    """Return the buckets of a plan's slots that hold a kline, ascending."""
    step_ms = plan.grid.length.step_ms
    if step_ms is not None:
        return read_buckets(connection, plan.source, Steps(*plan.span, step_ms))
    # Months are of no one length: the database makes days of the zone, and they make months.
    days = read_buckets(connection, plan.source, Steps(*plan.span, DAY_MS))
    return merge_buckets(days, plan.grid, Grid(DAY, plan.grid.offset_ms))


def _known_end(plan: Plan, now_ms: int) -> int:
    """Return the end of the source's slots that have closed, within the plan's range."""
    return max(plan.span.start_ms, min(plan.span.end_ms, plan.source.interval.floor(now_ms)))


def _find_missing(
    connection: Connection, plan: Plan, buckets: Iterable[Bucket], now_ms: int
) -> list[Range]:
    """Return the ranges of the source's slots in the page that hold no kline."""
    interval, known_ms = plan.source.interval, _known_end(plan, now_ms)
    partly: list[Range] = []
    missing: list[Range] = []
    next_ms = plan.span.start_ms
    for bucket in buckets:
        open_ms = bucket.kline.open_time_ms
        missing.append(Range(next_ms, min(open_ms, known_ms)))
        next_ms = plan.grid.next(open_ms)
        slot = Range(open_ms, min(next_ms, known_ms))
        if bucket.parts < interval.count(*slot):
            partly.append(slot)
    missing.append(Range(next_ms, known_ms))
    for span in merge_ranges(partly):
        opens = read_open_times(connection, plan.source, *span)
        missing += find_missing(interval, *span, opens)
    return merge_ranges(missing)


def _row(grid: Grid, interval: Interval, bucket: Bucket, now_ms: int) -> list[int | str | bool]:
    open_ms = bucket.kline.open_time_ms
    end_ms = grid.next(open_ms)
    of = interval.count(open_ms, end_ms)
    return [*bucket.kline[:-1], bucket.parts, of, end_ms <= now_ms]
