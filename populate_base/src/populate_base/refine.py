"""Telling causes anew: what the ledgers of all series of a venue say together."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from market.gaps import Cause, Gap, Range, explain_missing, subtract_ranges
from market.interval import Interval
from market.log import get_logger
from market.store import Store
from market.store.gap_ledger import read_gaps, read_open_gaps, write_gaps
from market.store.symbols import VENUE, Series, lock_symbol, read_bounds
from populate_base.agreement import Witness, find_outages, refine_causes

log = get_logger()

_TOLD_ANEW = (Cause.SOURCE_MISSING, Cause.OUTAGE)


class CauseChange(NamedTuple):
    """A gap of which the cause is another one now."""

    series: Series
    gap: Gap
    was: Cause


def refine_outages(store: Store, now_ms: int, *, venue: str = VENUE) -> list[CauseChange]:
    """Tell the causes of all gaps of a venue anew, see `agreement`; return what changed.

    Each series is one transaction; doing it again changes nothing.
    """
    with store.read() as connection:
        ledger = read_open_gaps(connection, venue=venue)
        bounds = read_bounds(connection, venue=venue)
    witnesses = [
        _witness(one.series, Range(one.first_open_ms, one.newest_open_ms), ledger) for one in bounds
    ]
    outages: dict[Interval, list[Range]] = {}
    changes: list[CauseChange] = []
    for series, gaps in ledger.items():
        if not any(gap.cause in _TOLD_ANEW for gap in gaps):
            continue
        if series.interval not in outages:
            outages[series.interval] = find_outages(witnesses, series.interval)
        if refine_causes(gaps, series.interval, outages[series.interval]) != gaps:
            changes += _rewrite(store, series, outages[series.interval], now_ms)
    for change in changes:
        log.info(
            "gap_cause_changed",
            symbol=change.series.symbol,
            interval=change.series.interval.value,
            start_ms=change.gap.start_ms,
            end_ms=change.gap.end_ms,
            was=change.was.value,
            cause=change.gap.cause.value,
        )
    return changes


def _witness(series: Series, opens: Range, ledger: dict[Series, list[Gap]]) -> Witness:
    interval = series.interval
    gaps = ledger.get(series, [])
    # The end of the newest kline's slot, also where it is off the grid.
    known = Range(interval.floor(opens.start_ms), interval.add(interval.floor(opens.end_ms), 1))
    unsettled = [Range(*gap[:2]) for gap in gaps if gap.cause not in _TOLD_ANEW]
    holes = tuple(Range(*gap[:2]) for gap in gaps if gap.cause in _TOLD_ANEW)
    return Witness(series.symbol, interval, tuple(subtract_ranges([known], unsettled)), holes)


def _rewrite(store: Store, series: Series, outages: list[Range], now_ms: int) -> list[CauseChange]:
    def work(connection: Connection) -> list[CauseChange]:
        lock_symbol(connection, series.symbol_id)
        gaps = read_gaps(connection, series, None, None)  # another process may have settled it
        refined = refine_causes(gaps, series.interval, outages)
        if not gaps:
            return []
        write_gaps(connection, series, (gaps[0].start_ms, gaps[-1].end_ms), refined, now_ms)
        return [
            CauseChange(series, part, old.cause)
            for old in gaps
            for part in explain_missing([Range(*old[:2])], refined)
            if part.cause is not old.cause
        ]

    return store.transact(work)
