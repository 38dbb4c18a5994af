"""What a backfill reports: as JSON for programs, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from market.times import format_time
from populate_base.backfill import SeriesReport


def reports_json(reports: Sequence[SeriesReport], seconds: float) -> dict[str, Any]:
    """Return the summary of a backfill as JSON values; ranges are half-open."""
    rows = sum(report.inserted + report.changed for report in reports)
    return {
        "series": [_series_json(report) for report in reports],
        "rows": rows,
        "seconds": round(seconds, 3),
        "rows_per_second": round(rows / seconds) if seconds > 0 else 0,
    }


def _series_json(report: SeriesReport) -> dict[str, Any]:
    return {
        "symbol": report.series.symbol,
        "interval": report.series.interval.value,
        "start_ms": report.span.start_ms,
        "end_ms": report.span.end_ms,
        "inserted": report.inserted,
        "changed": report.changed,
        "batches": dict(report.batches),
        "missing": [{"start_ms": hole.start_ms, "end_ms": hole.end_ms} for hole in report.missing],
        "warnings": report.warnings,
    }


def render_reports(reports: Sequence[SeriesReport], seconds: float) -> Iterator[str]:
    """Yield the summary line by line."""
    for report in reports:
        yield _sentence(report)
        yield from (f"  warning: {warning}" for warning in report.warnings)
        for hole in report.missing:
            yield f"  missing: {format_time(hole.start_ms)} to {format_time(hole.end_ms)}"
    rows = sum(report.inserted + report.changed for report in reports)
    if rows > 0:
        yield f"{rows:,} klines in {seconds:.1f} s ({rows / seconds:,.0f} a second)."


def _sentence(report: SeriesReport) -> str:
    name = f"{report.series.symbol} {report.series.interval}"
    if report.span.start_ms >= report.span.end_ms:
        return f"{name}: no kline of that range has closed yet."
    where = f"{format_time(report.span.start_ms)} to {format_time(report.span.end_ms)}"
    if not report.batches:
        return f"{name}: {where} needed nothing."
    sources = ", ".join(f"{count} x {source}" for source, count in sorted(report.batches.items()))
    changed = f", {report.changed:,} changed" if report.changed else ""
    return f"{name}: {where}: {report.inserted:,} new{changed} ({sources})."
