"""Keeping the gap ledger and the watermark true to what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from market.gaps import (
    EXPLAINED,
    Gap,
    Range,
    find_missing,
    find_watermark,
    merge_ranges,
    subtract_ranges,
)
from market.interval import Interval
from market.store import Store
from market.store.gap_ledger import read_gaps, write_gaps
from market.store.klines import count_klines, read_klines, read_newest_open, read_open_times
from market.store.symbols import Series, lock_symbol, read_watermark, write_watermark
from populate_base.causes import Knowledge, name_causes

#: Slots looked at in one query: where klines are missing, so many open times are read.
_SCAN_SLOTS = 20_000


class Extent(NamedTuple):
    """The first and the newest stored open time of a series."""

    first_open_ms: int
    newest_open_ms: int


def read_extent(connection: Connection, series: Series) -> Extent | None:
    """Return a series' extent, `None` where nothing of it is stored."""
    first = read_klines(connection, series, None, None, 1)
    newest_ms = read_newest_open(connection, series)
    return None if newest_ms is None else Extent(first[0].open_time_ms, newest_ms)


def read_unverified(store: Store, series: Series, span: Range) -> list[Range]:
    """Return the parts of a span that may miss klines worth a request.

    What lies between the first stored kline and the watermark is complete but for the
    ledger's unexplained gaps, and is not looked at again.
    """
    with store.read() as connection:
        ledger = read_gaps(connection, series, None, None)
        extent = read_extent(connection, series)
        watermark_ms = read_watermark(connection, series)
    verified = _explained(ledger)
    if extent is not None and watermark_ms is not None:
        interval = series.interval
        complete = Range(interval.floor(extent.first_open_ms), interval.add(watermark_ms, 1))
        open_gaps = [Range(g.start_ms, g.end_ms) for g in ledger if g.cause not in EXPLAINED]
        verified += subtract_ranges([complete], open_gaps)
    return subtract_ranges([span], verified)


def _explained(gaps: Iterable[Gap]) -> list[Range]:
    return [Range(gap.start_ms, gap.end_ms) for gap in gaps if gap.cause in EXPLAINED]


def settle(
    store: Store,
    series: Series,
    parts: Sequence[Range],
    now_ms: int,
    knowledge: Knowledge,
    present: Sequence[Range] = (),
) -> list[Range]:
    """Make ledger and watermark say what of `parts` is missing and why, in one transaction.

    A gap ends at a present kline: after the newest stored one nothing is called a gap. Of
    `present` the caller has just stored every slot: it is not looked at again.

    Returns:
        The missing ranges of `parts` worth a request, ascending, those after the newest
        stored kline included.
    """

    def work(connection: Connection) -> list[Range]:
        lock_symbol(connection, series.symbol_id)
        extent = read_extent(connection, series)
        end_ms = 0 if extent is None else series.interval.close_of(extent.newest_open_ms) + 1
        unexplained: list[Range] = []
        for part in parts:
            unsure = subtract_ranges([part], present)
            missing = merge_ranges(
                hole for span in unsure for hole in _scan(connection, series, span)
            )
            ledger = read_gaps(connection, series, *part)
            gaps = name_causes(missing, ledger, end_ms, knowledge)
            write_gaps(connection, series, part, gaps, now_ms)
            unexplained += subtract_ranges(missing, _explained(gaps))
        if extent is not None:
            _set_watermark(connection, series, extent, end_ms)
        return unexplained

    return store.transact(work)


def _set_watermark(connection: Connection, series: Series, extent: Extent, end_ms: int) -> None:
    gaps = read_gaps(connection, series, None, end_ms)
    start_ms = series.interval.floor(extent.first_open_ms)
    watermark_ms = find_watermark(series.interval, start_ms, gaps, end_ms)
    write_watermark(connection, series, watermark_ms)


def _scan(connection: Connection, series: Series, span: Range) -> list[Range]:
    """Return what is missing, from counts where nothing is, else from the open times."""
    interval = series.interval
    missing: list[Range] = []
    for part in _chunks(interval, span):
        rows, irregular = count_klines(connection, series, *part)
        if rows == 0:
            missing.append(part)
        elif rows != interval.count(*part) or irregular:
            opens = read_open_times(connection, series, *part)
            missing += find_missing(interval, *part, opens)
    return missing


def _chunks(interval: Interval, span: Range) -> Iterator[Range]:
    start_ms = interval.ceil(span.start_ms)
    while start_ms < span.end_ms:
        end_ms = min(interval.add(start_ms, _SCAN_SLOTS), span.end_ms)
        yield Range(start_ms, end_ms)
        start_ms = end_ms
