"""What the store holds of each series, told from the store alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rich.table import Table

from market.clock import ExchangeClock
from market.gaps import Cause, Gap, Range, completeness
from market.interval import MINUTE_MS
from market.store import Store
from market.store.gap_ledger import LedgerGap, read_gap_history
from market.store.request_weight import Weight, read_weight
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
    gaps = list(_gaps_from(span.start_ms, history))
    missing = [_span(entry.gap) for entry in gaps if entry.resolved_ms is None]
    missing = [part for part in missing if part.end_ms <= span.end_ms]
    lag_s = (clock.now_ms() - span.end_ms + 1) / 1000 if clock.is_measured else None
    return SeriesStatus(extent, gaps, completeness(interval, span, missing), lag_s)


def _gaps_from(first_ms: int, history: Sequence[LedgerGap]) -> Iterator[LedgerGap]:
    """Yield the entries from the first kline on: time before it is no gap.

    Open entries of one cause that touch are one gap, seen when its oldest part was.
    """
    last: LedgerGap | None = None
    for entry in history:
        gap = entry.gap
        if gap.cause is Cause.NOT_LISTED or gap.end_ms <= first_ms:
            continue
        entry = entry._replace(gap=gap._replace(start_ms=max(gap.start_ms, first_ms)))
        if last is not None and _continues(last, entry):
            seen_ms = min(last.first_seen_ms, entry.first_seen_ms)
            joined = last.gap._replace(end_ms=entry.gap.end_ms)
            last = LedgerGap(joined, seen_ms, None)
            continue
        if last is not None:
            yield last
        last = entry
    if last is not None:
        yield last


def _continues(one: LedgerGap, other: LedgerGap) -> bool:
    are_open = one.resolved_ms is other.resolved_ms is None
    return are_open and one.gap.cause is other.gap.cause and one.gap.end_ms == other.gap.start_ms


def _span(gap: Gap) -> Range:
    return Range(gap.start_ms, gap.end_ms)


class WeightStatus(NamedTuple):
    """The request weight of the running minute; `budget_1m` is what may be used of the limit.

    `banned_until_ms` is `None` while nothing forbids to ask.
    """

    used_1m: int
    limit_1m: int
    budget_1m: int
    banned_until_ms: int | None


def read_weight_status(store: Store, venue: str, share: float, machine_ms: int) -> WeightStatus:
    """Return what the store knows of the weight; the limit's minute is the machine's."""
    with store.read() as connection:
        weight = read_weight(connection, venue) or Weight()
    is_running = machine_ms - weight.window_ms < MINUTE_MS
    banned_ms = weight.banned_until_ms
    return WeightStatus(
        used_1m=weight.used if is_running else 0,
        limit_1m=weight.limit_1m,
        budget_1m=int(weight.limit_1m * share),
        banned_until_ms=banned_ms if banned_ms is not None and banned_ms > machine_ms else None,
    )


def status_json(statuses: Sequence[SeriesStatus], weight: WeightStatus) -> dict[str, Any]:
    """Return the status as JSON values."""
    return {
        "series": [_series_json(status) for status in statuses],
        "weight": weight._asdict(),
    }


def _series_json(status: SeriesStatus) -> dict[str, Any]:
    extent = status.extent
    return {
        "symbol": extent.series.symbol,
        "interval": extent.series.interval.value,
        "first_open_time_ms": extent.first_open_ms,
        "last_open_time_ms": extent.last_open_ms,
        "watermark_ms": extent.watermark_ms,
        "klines": extent.rows,
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


def weight_sentence(weight: WeightStatus) -> str:
    """Return the request weight as a line for people."""
    text = (
        f"Request weight of the running minute: {weight.used_1m:,} of {weight.budget_1m:,}"
        f" (Binance allows {weight.limit_1m:,})."
    )
    if weight.banned_until_ms is not None:
        text += f" No request before {format_time(weight.banned_until_ms)}."
    return text


def status_table(statuses: Sequence[SeriesStatus]) -> Table:
    """Return the status as a table for people; the gaps counted are the open ones."""
    table = Table()
    for name in ("Series", "First", "Last", "Watermark"):
        table.add_column(name)
    for name in ("Klines", "Complete", "Gaps", "Lag"):
        table.add_column(name, justify="right")
    table.add_column("Causes")
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
            _causes(status.gaps),
        )
    return table


def _causes(gaps: Sequence[LedgerGap]) -> str:
    counts = Counter(entry.gap.cause.value for entry in gaps if entry.resolved_ms is None)
    return ", ".join(f"{count} {cause}" for cause, count in sorted(counts.items()))
