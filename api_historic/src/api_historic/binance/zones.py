"""Klines whose days, weeks and months begin at another midnight (`timeZone`).

A shifted kline is put together from stored klines of a finer interval whose grid fits the
shifted one; without any such series nothing is stored of it, and the answer is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import orjson
from sqlalchemy import Connection

from api_historic.klines.rows import Window
from market.aggregation import iter_aggregated
from market.grid import grid_of
from market.interval import Interval
from market.kline import Kline
from market.store.klines import read_klines, read_newest_open
from market.store.symbols import Series

_PAGE = 5_000


def is_shifted(interval: Interval, zone_ms: int) -> bool:
    """Tell whether a zone moves the interval's grid at all: it never moves `1h` by +8:00."""
    return grid_of(interval, zone_ms).is_moved


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
    grid = grid_of(series.interval, zone_ms)
    # A kline is closed once the source's klines reach its end.
    end_ms = grid.floor(source.interval.close_of(newest_ms) + 1)
    if window.end_ms is not None:
        end_ms = min(end_ms, grid.ceil(window.end_ms))
    if window.start_ms is not None:
        start_ms = grid.ceil(window.start_ms)
    else:
        start_ms = grid.add(end_ms, -window.limit)
    stored = _iter_klines(connection, source, start_ms, end_ms)
    made = islice(iter_aggregated(stored, source.interval, grid), window.limit)
    merged: list[list[int | str]] = [list(kline) for kline in made]
    return orjson.dumps([_in_microseconds(row) for row in merged] if microseconds else merged)


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
