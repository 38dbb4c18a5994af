"""`GET /v1/gaps`: what is missing, why, since when it is known, and what was healed."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api_historic.cursor import read_mark, write_mark
from api_historic.native.listing import find_numbers, names
from api_historic.native.parameters import (
    Chosen,
    PagedQuery,
    check_order,
    integer,
    moment,
    only,
)
from api_historic.service import Service
from market.gaps import Cause
from market.history_shapes import GapPage, LedgerGapShape
from market.store.gap_pages import GapFilter, GapPlace, PlacedGap, read_gap_page
from market.store.symbols import read_symbols

MAX_GAPS = 10_000
_MARK = re.compile(r"(\d{1,10})\.(\d{1,2})\.(\d{1,15})\.(\d{1,19})", re.ASCII)
_RESOLVED = {"true": True, "false": False, "any": None}


class GapsQuery(PagedQuery):
    """The parameters of `GET /v1/gaps`."""

    symbol: Annotated[tuple[str, ...] | None, names("symbol")] = Field(
        None, description="Only these: one symbol, or several separated by commas."
    )
    interval: Chosen | None = Field(None, description="Only this one.")
    cause: Cause | None = Field(None, description="Only gaps of this cause.")
    resolved: Literal["false", "true", "any"] = Field(
        "false", description="Gaps that are open (`false`), that were healed (`true`), or `any`."
    )
    start: Annotated[int | None, moment("start")] = Field(
        None, description="Gaps that end after this time: ms, YYYY-MM-DD or ISO-8601 with offset."
    )
    end: Annotated[int | None, moment("end")] = Field(
        None, description="Gaps that start before this time."
    )
    limit: Annotated[int, integer("limit", 1, MAX_GAPS)] = 1_000


def build_gap_router(service: Service) -> APIRouter:
    """Return the route of gaps."""
    router = APIRouter(tags=["data"])

    @router.get("/v1/gaps", dependencies=[Depends(only(GapsQuery))])
    def gaps(query: Annotated[GapsQuery, Query()]) -> GapPage:
        """Return the gap ledger's entries: each a range of missing open times with its cause.

        The ledger knows what the populator looked for; what has not been asked for yet, such
        as klines behind the newest, is no entry: `/v1/coverage` tells each series' lag.
        """
        return answer_gaps(service, query)

    return router


def answer_gaps(service: Service, query: GapsQuery) -> GapPage:
    """Return the page a query asks for.

    Raises:
        NotFound: a symbol that is named is not known.
        InvalidParameter: the range is none, or the cursor is not ours.
    """
    check_order(query.start, query.end)
    after = None
    if query.cursor is not None:
        after = GapPlace(*map(int, read_mark(query.cursor, _MARK).groups()))
    with service.store.read() as connection:
        numbers = None
        if query.symbol is not None:
            known = {symbol.symbol: number for number, symbol in read_symbols(connection)}
            numbers = find_numbers(query.symbol, known)
        wanted = GapFilter(
            numbers,
            query.interval,
            query.cause,
            query.start,
            query.end,
            _RESOLVED[query.resolved],
        )
        found = read_gap_page(connection, wanted, query.limit + 1, after)
    page = found[: query.limit]
    return GapPage(
        gaps=[_shape(one) for one in page],
        next=write_mark(".".join(map(str, page[-1].place))) if len(found) > len(page) else None,
    )


def _shape(placed: PlacedGap) -> LedgerGapShape:
    series, entry = placed.series, placed.entry
    return LedgerGapShape(
        symbol=series.symbol,
        interval=series.interval.value,
        **entry.gap._asdict(),
        slots=series.interval.count(entry.gap.start_ms, entry.gap.end_ms),
        first_seen_ms=entry.first_seen_ms,
        resolved_ms=entry.resolved_ms,
    )
