"""Klines of a higher interval made from those of a lower one, exact to the last digit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from itertools import groupby

from binance_simulator.grid import Grid
from market.interval import Interval
from market.kline import Kline

#: Enough for a month of the largest volumes at eight decimals; Python's default is 28.
_EXACT = Context(prec=60)


def combine(open_ms: int, close_ms: int, members: Sequence[Kline]) -> Kline:
    """Return the one kline that covers all members, which are ascending and not empty."""
    return Kline(
        open_ms,
        members[0].open,
        max((member.high for member in members), key=Decimal),
        min((member.low for member in members), key=Decimal),
        members[-1].close,
        _total(member.volume for member in members),
        close_ms,
        _total(member.quote_asset_volume for member in members),
        sum(member.number_of_trades for member in members),
        _total(member.taker_buy_base_asset_volume for member in members),
        _total(member.taker_buy_quote_asset_volume for member in members),
    )


def aggregate(klines: Iterable[Kline], made_of: Interval, grid: Grid) -> list[Kline]:
    """Return one kline a slot that holds any of `klines`, ascending ones of `made_of`.

    A kline belongs to the slot it opens in, also where it is off its own grid. Where an outage
    cut the last one short, the slot's kline ends with it: so does Binance.
    """
    made: list[Kline] = []
    for open_ms, group in groupby(klines, key=lambda kline: grid.floor(kline.open_time_ms)):
        members = list(group)
        last = members[-1]
        close_ms = grid.next(open_ms) - 1
        if last.close_time_ms < made_of.close_of(last.open_time_ms):
            close_ms = last.close_time_ms
        made.append(combine(open_ms, close_ms, members))
    return made


def flat(kline: Kline) -> Kline:
    """Return a kline as it stood when it opened: at its open price, nothing traded yet."""
    return kline._replace(
        high=kline.open,
        low=kline.open,
        close=kline.open,
        volume="0.00000000",
        quote_asset_volume="0.00000000",
        number_of_trades=0,
        taker_buy_base_asset_volume="0.00000000",
        taker_buy_quote_asset_volume="0.00000000",
    )


def _total(amounts: Iterable[str]) -> str:
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, Decimal(amount))
    return f"{total:.8f}"
