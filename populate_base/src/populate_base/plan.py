"""Which files and pages bring a range of klines into the store, cheapest first.

Pure: what is stored, what is known to be missing and the exchange's time come in as
arguments. The levels are tried one after the other (monthly files, daily files, REST
pages), each planned from what is still missing after the one before: that a file should
exist is never assumed, and what one source lacks the next is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from market.gaps import Range, merge_ranges, subtract_ranges
from market.interval import Interval
from populate_base.archive_file import ArchiveFile, Period

#: Klines in one answer of Binance's REST API.
PAGE_KLINES = 1000
#: A file is read into memory as a whole; a month of 1s klines would not fit.
_MAX_FILE_KLINES = 100_000
#: A daily file costs two requests: with fewer klines in it, a REST page is cheaper.
_MIN_DAILY_KLINES = 24
#: Up to so many pages are cheaper than a file of which less than half is wanted.
_FEW_PAGES = 4


def closed_range(interval: Interval, start_ms: int, end_ms: int | None, now_ms: int) -> Range:
    """Return the slots of [start_ms, end_ms) whose klines have closed at `now_ms`.

    The range begins and ends on the grid and is empty (start >= end) where none has.
    """
    end = interval.floor(now_ms)
    if end_ms is not None:
        end = min(end, interval.ceil(end_ms))
    return Range(interval.ceil(start_ms), end)


def common_ranges(ranges: Sequence[Range], others: Sequence[Range]) -> list[Range]:
    """Return the parts of `ranges` that `others` cover, ascending."""
    return subtract_ranges(ranges, subtract_ranges(ranges, others))


def plan_files(
    symbol: str, interval: Interval, period: Period, missing: Sequence[Range], now_ms: int
) -> list[ArchiveFile]:
    """Return the archive files worth asking for, oldest first.

    Worth it are files whose period has ended and of which half the klines, or more than a
    few pages of them, are missing; for less, pages of what is missing cost fewer bytes.
    """
    if not period.offers(interval):
        return []
    starts: dict[int, int] = {}
    for hole in missing:
        start_ms = period.grid.floor(hole.start_ms)
        while start_ms < hole.end_ms:
            end_ms = period.grid.add(start_ms, 1)
            absent = interval.count(max(start_ms, hole.start_ms), min(end_ms, hole.end_ms))
            starts[start_ms] = starts.get(start_ms, 0) + absent
            start_ms = end_ms
    files = [ArchiveFile(symbol, interval, period, start_ms) for start_ms in sorted(starts)]
    return [file for file in files if _is_worth_it(file, starts[file.start_ms], now_ms)]


def _is_worth_it(file: ArchiveFile, absent: int, now_ms: int) -> bool:
    if file.span.end_ms > now_ms or absent == 0 or file.slots > _MAX_FILE_KLINES:
        return False
    if file.period is Period.DAILY and file.slots < _MIN_DAILY_KLINES:
        return False
    return 2 * absent >= file.slots or absent > _FEW_PAGES * PAGE_KLINES


def plan_pages(interval: Interval, missing: Sequence[Range]) -> list[Range]:
    """Return the ranges to page through by REST; near holes share their pages."""
    runs: list[Range] = []
    for hole in merge_ranges(missing):
        if runs and interval.count(runs[-1].start_ms, hole.end_ms) <= PAGE_KLINES:
            runs[-1] = Range(runs[-1].start_ms, hole.end_ms)
        else:
            runs.append(hole)
    return runs
