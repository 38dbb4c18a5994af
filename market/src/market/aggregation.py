"""Klines of a higher interval made from those of a lower one, exact to the last digit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Context, Decimal
from itertools import groupby
from typing import NamedTuple, Protocol

from market.interval import Interval
from market.kline import Kline

#: Enough for a year of the largest amounts at eight decimals; Python's default is 28.
_EXACT = Context(prec=60)


class Slots(Protocol):
    """A grid: where slots open."""

    def floor(self, time_ms: int, /) -> int:
        """Return the open time of the slot that holds a time."""
        ...

    def next(self, open_ms: int, /) -> int:
        """Return the open time of the slot after the one that opens at `open_ms`."""
        ...


class Bucket(NamedTuple):
    """One slot's kline, and how many of the finer klines that make it up were there."""

    kline: Kline
    parts: int


def combine(open_ms: int, close_ms: int, members: Sequence[Kline]) -> Kline:
    """Return the one kline that covers all members, which are ascending and not empty."""
    return Kline(
        open_ms,
        members[0].open,
        max((member.high for member in members), key=Decimal),
        min((member.low for member in members), key=Decimal),
        members[-1].close,
        add_amounts(member.volume for member in members),
        close_ms,
        add_amounts(member.quote_asset_volume for member in members),
        sum(member.number_of_trades for member in members),
        add_amounts(member.taker_buy_base_asset_volume for member in members),
        add_amounts(member.taker_buy_quote_asset_volume for member in members),
    )


def iter_aggregated(klines: Iterable[Kline], made_of: Interval, slots: Slots) -> Iterator[Kline]:
    """Yield one kline a slot that holds any of `klines`, ascending ones of `made_of`.

    A kline belongs to the slot it opens in, also where it is off its own grid. Where an outage
    cut the last one short, the slot's kline ends with it: so does Binance.
    """
    for open_ms, group in groupby(klines, key=lambda kline: slots.floor(kline.open_time_ms)):
        members = list(group)
        close_ms = close_of_slot(slots.next(open_ms) - 1, members[-1], made_of)
        yield combine(open_ms, close_ms, members)


def close_of_slot(regular_ms: int, last: Kline, made_of: Interval) -> int:
    """Return when a slot's kline closes: with its last part, where that was cut short."""
    if last.close_time_ms < made_of.close_of(last.open_time_ms):
        return last.close_time_ms
    return regular_ms


def merge_buckets(buckets: Iterable[Bucket], slots: Slots, made_of: Slots) -> list[Bucket]:
    """Return the buckets that ascending ones of a finer grid, `made_of`, make up.

    Each closes with its last one, where that was cut short.
    """
    merged: list[Bucket] = []
    for open_ms, group in groupby(buckets, key=lambda one: slots.floor(one.kline.open_time_ms)):
        members = list(group)
        close_ms, last = slots.next(open_ms) - 1, members[-1].kline
        if last.close_time_ms < made_of.next(last.open_time_ms) - 1:
            close_ms = last.close_time_ms
        kline = combine(open_ms, close_ms, [member.kline for member in members])
        merged.append(Bucket(kline, sum(member.parts for member in members)))
    return merged


def add_amounts(amounts: Iterable[str]) -> str:
    """Return the exact sum of amounts, with eight decimals."""
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, Decimal(amount))
    return f"{total:.8f}"
