"""`GET /v1/symbols`: what is followed, and what the exchange listed at any moment."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api_historic.cursor import read_mark, write_mark
from api_historic.native.parameters import (
    Chosen,
    Name,
    PagedQuery,
    integer,
    moment,
    only,
)
from api_historic.service import Service
from market.shapes import SeriesShape, SymbolPage, SymbolShape
from market.store.month_counts import MonthCount, MonthCounts
from market.store.series_extents import SeriesState, read_series_states
from market.store.symbol_states import Lifecycle, ListedSymbol, read_universe
from market.store.symbols import Series

MAX_SYMBOLS = 10_000
_MARK = re.compile(r"[!-~]{1,64}", re.ASCII)


class SymbolsQuery(PagedQuery):
    """The parameters of `GET /v1/symbols`."""

    base: Name | None = Field(None, description="Only of this base asset: BTC.")
    quote: Name | None = Field(None, description="Only of this quote asset: USDT.")
    status: Name | None = Field(
        None, description="Only of this status: TRADING, HALT, BREAK, or GONE."
    )
    interval: Chosen | None = Field(
        None, description="Only symbols of which this interval is stored, and only that series."
    )
    text: Name | None = Field(None, description="Only names that contain this.")
    scope: Literal["followed", "listed"] | None = Field(
        None,
        description="`followed`: whose klines are stored, or wanted; `listed`: all the exchange"
        " was seen to list. Default: followed; listed with `as_of`.",
    )
    as_of: Annotated[int | None, moment("as_of")] = Field(
        None,
        description="The universe as it was at this time, delisted symbols included, and"
        " nothing told that came later: ms, YYYY-MM-DD or ISO-8601 with offset. Series are"
        " told as they are stored now.",
    )
    limit: Annotated[int | None, integer("limit", 1, MAX_SYMBOLS)] = Field(
        None, description="Default: all."
    )


class _Holdings(NamedTuple):
    """What is stored of symbols, by name."""

    states: Mapping[str, Sequence[SeriesState]]
    counts: Mapping[Series, Sequence[MonthCount]]
    now_ms: int


def build_symbol_router(service: Service, counts: MonthCounts) -> APIRouter:
    """Return the route of symbols."""
    router = APIRouter(tags=["data"])

    @router.get("/v1/symbols", dependencies=[Depends(only(SymbolsQuery))])
    def symbols(query: Annotated[SymbolsQuery, Query()]) -> SymbolPage:
        """Return symbols by name: their lives, and what is stored of each.

        With `as_of` it is the universe of that moment: what the exchange listed then, and as
        what, so that a study of the past is not one of the survivors.
        """
        return answer_symbols(service, counts, query)

    return router


def answer_symbols(service: Service, counts: MonthCounts, query: SymbolsQuery) -> SymbolPage:
    """Return the page a query asks for.

    Raises:
        InvalidParameter: the cursor is not ours.
    """
    after = "" if query.cursor is None else read_mark(query.cursor, _MARK)[0]
    now_ms = service.now_ms()
    with service.store.read() as connection:
        universe = read_universe(connection, query.as_of, with_info=False)
        states: defaultdict[str, list[SeriesState]] = defaultdict(list)
        for state in read_series_states(connection, interval=query.interval):
            states[state.series.symbol].append(state)
        chosen = [
            one
            for one in universe
            if _passes(one, query)
            and one.symbol.symbol > after
            and (query.interval is None or one.symbol.symbol in states)
        ]
        page = chosen[: query.limit]
        shown = [state for one in page for state in states.get(one.symbol.symbol, ())]
        holdings = _Holdings(states, counts.read(connection, shown), now_ms)
    lives = {one.symbol.symbol: _life_at(one.life, query.as_of) for one in universe}
    origins = _find_origins(lives)
    return SymbolPage(
        symbols=[
            _shape(one, lives[one.symbol.symbol], origins[one.symbol.symbol], holdings)
            for one in page
        ],
        as_of_ms=query.as_of,
        next=write_mark(page[-1].symbol.symbol) if len(chosen) > len(page) else None,
    )


def _passes(one: ListedSymbol, query: SymbolsQuery) -> bool:
    symbol = one.symbol
    scope = query.scope or ("followed" if query.as_of is None else "listed")
    wanted = (
        (query.base, symbol.base_asset),
        (query.quote, symbol.quote_asset),
        (query.status, symbol.status),
    )
    return (
        (scope == "listed" or one.is_registered)
        and all(asked is None or asked.upper() == found for asked, found in wanted)
        and (query.text is None or query.text.upper() in symbol.symbol)
    )


def _life_at(life: Lifecycle, as_of_ms: int | None) -> Lifecycle:
    """Return what was known of a life at a time: nobody knew of an end that was to come."""
    if as_of_ms is None:
        return life
    is_listed = life.listed_ms is not None and life.listed_ms <= as_of_ms
    is_gone = life.delisted_ms is not None and life.delisted_ms <= as_of_ms
    return Lifecycle(
        life.listed_ms if is_listed else None,
        life.delisted_ms if is_gone else None,
        life.successor if is_gone else None,
    )


def _find_origins(lives: Mapping[str, Lifecycle]) -> defaultdict[str, list[str]]:
    origins: defaultdict[str, list[str]] = defaultdict(list)
    for name, life in lives.items():
        if life.successor is not None:
            origins[life.successor].append(name)
    return origins


def _shape(
    one: ListedSymbol, life: Lifecycle, origins: Iterable[str], holdings: _Holdings
) -> SymbolShape:
    symbol = one.symbol
    return SymbolShape(
        symbol=symbol.symbol,
        status=symbol.status,
        base_asset=symbol.base_asset,
        quote_asset=symbol.quote_asset,
        series=[
            _series(state, holdings.counts[state.series], holdings.now_ms)
            for state in holdings.states.get(symbol.symbol, ())
        ],
        since_ms=one.since_ms,
        **life._asdict(),
        renamed_from=list(origins),
        followed=one.is_registered,
    )


def _series(state: SeriesState, months: Iterable[MonthCount], now_ms: int) -> SeriesShape:
    interval = state.series.interval
    return SeriesShape(
        interval=interval.value,
        count=sum(month.rows for month in months),
        first_open_ms=state.first_open_ms,
        last_open_ms=state.last_open_ms,
        watermark_ms=state.watermark_ms,
        lag_ms=now_ms - interval.close_of(state.last_open_ms),
    )
