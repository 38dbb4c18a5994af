"""What the store holds of each series, told from the store alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.table import Table

from market.clock import ExchangeClock
from market.gaps import Cause, Gap, Range, completeness
from market.store import Store
from market.store.gap_ledger import LedgerGap, read_gap_history
from market.store.symbols import SeriesExtent, read_extents
from market.times import format_time


class SeriesStatus(NamedTuple):
    """A series' extent, its gaps from the first kline on, and its lag.

    `completeness` is a fraction; `lag_s` the exchange's time less the newest stored close,
    `None` where the exchange does not answer.
    """

    extent: SeriesExtent
    gaps: list[LedgerGap]
    completeness: float
    lag_s: float | None


def read_status(store: Store, clock: ExchangeClock) -> list[SeriesStatus]:
    """Return the status of every stored series."""
    with store.read() as connection:
        return [
            _status(extent, read_gap_history(connection, extent.series), clock)
            for extent in read_extents(connection)
        ]


def _status(
    extent: SeriesExtent, history: Sequence[LedgerGap], clock: ExchangeClock
) -> SeriesStatus:
    interval = extent.series.interval
    span = Range(interval.floor(extent.first_open_ms), interval.close_of(extent.last_open_ms) + 1)
    gaps = [entry for entry in history if entry.gap.cause is not Cause.NOT_LISTED]
    missing = [_span(entry.gap) for entry in gaps if entry.resolved_ms is None]
    lag_s = (clock.now_ms() - span.end_ms + 1) / 1000 if clock.is_measured else None
    return SeriesStatus(extent, gaps, completeness(interval, span, missing), lag_s)


def _span(gap: Gap) -> Range:
    return Range(gap.start_ms, gap.end_ms)


def status_json(statuses: Sequence[SeriesStatus]) -> dict[str, Any]:
    """Return the status as JSON values."""
    return {"series": [_series_json(status) for status in statuses]}


def _series_json(status: SeriesStatus) -> dict[str, Any]:
    extent = status.extent
    return {
        "symbol": extent.series.symbol,
        "interval": extent.series.interval.value,
        "klines": extent.rows,
        "first_open_time_ms": extent.first_open_ms,
        "last_open_time_ms": extent.last_open_ms,
        "watermark_ms": extent.watermark_ms,
        "completeness": status.completeness,
        "lag_seconds": status.lag_s,
        "gaps": [
            {
                "start_ms": entry.gap.start_ms,
                "end_ms": entry.gap.end_ms,
                "cause": entry.gap.cause.value,
                "first_seen_ms": entry.first_seen_ms,
                "resolved_ms": entry.resolved_ms,
            }
            for entry in status.gaps
        ],
    }


def status_table(statuses: Sequence[SeriesStatus]) -> Table:
    """Return the status as a table for people; the gaps counted are the open ones."""
    table = Table()
    for name in ("Series", "First", "Last", "Watermark"):
        table.add_column(name)
    for name in ("Klines", "Complete", "Gaps", "Lag"):
        table.add_column(name, justify="right")
    for status in statuses:
        extent = status.extent
        watermark = "-" if extent.watermark_ms is None else format_time(extent.watermark_ms)[:16]
        table.add_row(
            f"{extent.series.symbol} {extent.series.interval}",
            format_time(extent.first_open_ms)[:16],
            format_time(extent.last_open_ms)[:16],
            watermark,
            f"{extent.rows:,}",
            f"{status.completeness:.4%}",
            str(sum(entry.resolved_ms is None for entry in status.gaps)),
            "unknown" if status.lag_s is None else f"{status.lag_s:,.0f} s",
        )
    return table
