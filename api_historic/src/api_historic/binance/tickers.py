"""`ticker/price` and `avgPrice`, from closed klines alone.

Binance answers both from the trades of this second. This API holds closed klines, so a
price is the close of the newest one, and an average is over the newest minutes stored:
the header `X-Klinecast-As-Of` says up to when, in ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import orjson
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from api_historic.binance import document, rejections
from api_historic.binance.answers import BinanceRoute, answered, wants_microseconds
from api_historic.binance.newest import (
    ListedSymbol,
    NewestKline,
    read_listed_symbols,
    read_newest,
)
from api_historic.binance.parameters import PriceCall, read_average_call, read_price_call
from api_historic.service import Service
from market.interval import MINUTE_MS
from market.kline import Kline
from market.store.klines import read_klines
from market.store.symbols import Series

AS_OF = "X-Klinecast-As-Of"
#: What Binance averages over.
AVERAGED_MS = 5 * MINUTE_MS
#: Klines that may open in as much time: an off-grid one beside each of the 300 of `1s`.
_MOST_AVERAGED = 600


class Average(NamedTuple):
    """An average price, over how many minutes, and up to when (inclusive)."""

    mins: int
    price: str
    close_time_ms: int


def build_ticker_router(service: Service) -> APIRouter:
    """Return the routes of `/api/v3` about prices."""
    router = APIRouter(prefix="/api/v3", tags=["binance"], route_class=BinanceRoute)

    @router.get("/ticker/price", openapi_extra=document.TICKER_PRICE)
    def ticker_price(request: Request) -> Response:
        """Return the close of the newest stored kline, of one symbol, several or all."""
        call = read_price_call(request.query_params.multi_items())
        with service.store.read() as connection:
            chosen = choose_symbols(read_listed_symbols(connection), call)
            prices = find_freshest(read_newest(connection, [s.number for s in chosen]))
        body = write_prices(chosen, prices, call)
        # Of several prices the oldest tells: all are at least as fresh.
        oldest_ms = min((kline.close_time_ms for kline in prices.values()), default=None)
        return answered(request, body, {} if oldest_ms is None else {AS_OF: str(oldest_ms)})

    @router.get("/avgPrice", openapi_extra=document.AVERAGE_PRICE)
    def average_price(request: Request) -> Response:
        """Return the volume-weighted price of the newest five minutes that are stored."""
        name = read_average_call(request.query_params.multi_items())
        microseconds = wants_microseconds(request)
        with service.store.read() as connection:
            average = read_average(connection, name)
        close_time = average.close_time_ms
        body = {
            "mins": average.mins,
            "price": average.price,
            "closeTime": close_time * 1000 + 999 if microseconds else close_time,
        }
        return answered(request, orjson.dumps(body), {AS_OF: str(close_time)})

    return router


def choose_symbols(known: Sequence[ListedSymbol], call: PriceCall) -> list[ListedSymbol]:
    """Return the symbols a call asks for, in its order.

    Raises:
        Rejection: a symbol that was named is not known, or the single one has another status.
    """
    chosen = list(known)
    if call.symbols is not None:
        by_name = {symbol.name: symbol for symbol in known}
        if any(name not in by_name for name in call.symbols):
            raise rejections.invalid_symbol()
        chosen = [by_name[name] for name in call.symbols]
    if call.status is None:
        return chosen
    matching = [symbol for symbol in chosen if symbol.status == call.status]
    if call.is_single and not matching:
        raise rejections.other_status()
    return matching


def find_freshest(newest: Iterable[NewestKline]) -> dict[int, NewestKline]:
    """Return of each symbol, by its number, the kline that closed last."""
    freshest: dict[int, NewestKline] = {}
    for kline in newest:
        held = freshest.get(kline.symbol_number)
        if held is None or kline.close_time_ms > held.close_time_ms:
            freshest[kline.symbol_number] = kline
    return freshest


def write_prices(
    chosen: Sequence[ListedSymbol], prices: Mapping[int, NewestKline], call: PriceCall
) -> bytes:
    """Return the body of `ticker/price`; a list leaves out symbols without any kline.

    Raises:
        Rejection: of the single symbol asked for no kline is stored.
    """
    bodies = [
        {"symbol": symbol.name, "price": prices[symbol.number].close}
        for symbol in chosen
        if symbol.number in prices
    ]
    if not call.is_single:
        return orjson.dumps(bodies)
    if not bodies:
        raise rejections.no_price()
    return orjson.dumps(bodies[0])


def read_average(connection: Connection, name: str) -> Average:
    """Return the average price of a symbol's newest stored five minutes.

    Raises:
        Rejection: the symbol is not known, or no kline of it is stored.
    """
    known = read_listed_symbols(connection)
    number = next((symbol.number for symbol in known if symbol.name == name), None)
    if number is None:
        raise rejections.invalid_symbol()
    newest = choose_source(read_newest(connection, [number]))
    start_ms, end_ms = find_window(newest)
    series = Series(number, name, newest.interval)
    klines = read_klines(connection, series, start_ms, end_ms, _MOST_AVERAGED)
    return Average((end_ms - start_ms) // MINUTE_MS, average_of(klines), newest.close_time_ms)


def choose_source(newest: Sequence[NewestKline]) -> NewestKline:
    """Return the finest series whose end is less than five minutes behind the freshest.

    Raises:
        Rejection: there is none.
    """
    if not newest:
        raise rejections.no_price()
    latest_ms = max(kline.close_time_ms for kline in newest)
    fresh = [kline for kline in newest if kline.close_time_ms > latest_ms - AVERAGED_MS]
    return min(fresh, key=lambda kline: kline.interval.typical_ms)


def find_window(newest: NewestKline) -> tuple[int, int]:
    """Return the half-open range of open times to average, which ends with the newest slot.

    It is as many slots as five minutes hold, and one where an interval is longer.
    """
    slot_ms = newest.interval.floor(newest.open_time_ms)
    end_ms = newest.interval.add(slot_ms, 1)
    count = max(1, AVERAGED_MS // (end_ms - slot_ms))
    return newest.interval.add(slot_ms, 1 - count), end_ms


def average_of(klines: Sequence[Kline]) -> str:
    """Return what was paid for a unit on average; without a trade, the last close."""
    volume = sum(Decimal(kline.volume) for kline in klines)
    if volume == 0:
        return klines[-1].close
    paid = sum(Decimal(kline.quote_asset_volume) for kline in klines)
    return f"{paid / volume:.8f}"
