"""Klines whose days, weeks and months begin at another midnight (`timeZone`).

A shifted kline is put together from stored klines of a finer interval whose grid fits the
shifted one; without any such series nothing is stored of it, and the answer is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby, islice
from typing import NamedTuple

import orjson
from sqlalchemy import Connection

from api_historic.klines.rows import Window
from market.interval import Interval
from market.kline import Kline
from market.store.klines import read_klines, read_newest_open
from market.store.symbols import Series

_PAGE = 5_000


class ZonedGrid(NamedTuple):
    """An interval's grid in a zone `zone_ms` ahead of UTC; all times stay UTC."""

    interval: Interval
    zone_ms: int

    def floor(self, time_ms: int) -> int:
        """Return the newest open time that is not after `time_ms`."""
        return self.interval.floor(time_ms + self.zone_ms) - self.zone_ms

    def ceil(self, time_ms: int) -> int:
        """Return the oldest open time that is not before `time_ms`."""
        return self.interval.ceil(time_ms + self.zone_ms) - self.zone_ms

    def add(self, open_ms: int, count: int) -> int:
        """Return the open time `count` steps after an open time."""
        return self.interval.add(open_ms + self.zone_ms, count) - self.zone_ms


def is_shifted(interval: Interval, zone_ms: int) -> bool:
    """Tell whether a zone moves the interval's grid at all: it never moves `1h` by +8:00."""
    if interval in (Interval.W1, Interval.MO1) or interval.step_ms is None:
        return zone_ms != 0
    return zone_ms % interval.step_ms != 0


def read_shifted_rows(
    connection: Connection,
    series: Series,
    zone_ms: int,
    window: Window,
    *,
    microseconds: bool = False,
) -> bytes:
    """Return the klines of a window on the zone's grid as a JSON array of arrays."""
    found = _find_source(connection, series, zone_ms)
    if found is None:
        return b"[]"
    source, newest_ms = found
    grid = ZonedGrid(series.interval, zone_ms)
    # A kline is closed once the source's klines reach its end.
    end_ms = grid.floor(source.interval.close_of(newest_ms) + 1)
    if window.end_ms is not None:
        end_ms = min(end_ms, grid.ceil(window.end_ms))
    if window.start_ms is not None:
        start_ms = grid.ceil(window.start_ms)
    else:
        start_ms = grid.add(end_ms, -window.limit)
    stored = _iter_klines(connection, source, start_ms, end_ms)
    buckets = groupby(stored, key=lambda kline: grid.floor(kline.open_time_ms))
    merged: list[list[int | str]] = [
        list(merge_klines(open_ms, grid.add(open_ms, 1) - 1, list(parts)))
        for open_ms, parts in islice(buckets, window.limit)
    ]
    return orjson.dumps([_in_microseconds(row) for row in merged] if microseconds else merged)


def merge_klines(open_ms: int, close_ms: int, parts: list[Kline]) -> Kline:
    """Return the kline that klines of a finer interval, ascending, make up."""
    return Kline(
        open_ms,
        parts[0].open,
        max((part.high for part in parts), key=Decimal),
        min((part.low for part in parts), key=Decimal),
        parts[-1].close,
        _sum(part.volume for part in parts),
        close_ms,
        _sum(part.quote_asset_volume for part in parts),
        sum(part.number_of_trades for part in parts),
        _sum(part.taker_buy_base_asset_volume for part in parts),
        _sum(part.taker_buy_quote_asset_volume for part in parts),
    )


def _sum(amounts: Iterator[str]) -> str:
    return f"{sum(map(Decimal, amounts)):.8f}"


def _in_microseconds(row: list[int | str]) -> list[int | str]:
    return [int(row[0]) * 1000, *row[1:6], int(row[6]) * 1000 + 999, *row[7:]]


def _find_source(connection: Connection, series: Series, zone_ms: int) -> tuple[Series, int] | None:
    """Return the coarsest stored series the shifted klines can be made of, and its end."""
    for finer in reversed(Interval):
        fits = finer is not series.interval and finer.divides(series.interval)
        if not fits or is_shifted(finer, zone_ms):
            continue
        source = series._replace(interval=finer)
        newest_ms = read_newest_open(connection, source)
        if newest_ms is not None:
            return source, newest_ms
    return None


def _iter_klines(
    connection: Connection, source: Series, start_ms: int, end_ms: int
) -> Iterator[Kline]:
    while True:
        page = read_klines(connection, source, start_ms, end_ms, _PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        start_ms = page[-1].open_time_ms + 1
