"""What `verify` and `repair` report: as JSON for programs, as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from market.gaps import Range
from market.store.symbols import Series
from market.times import format_time
from populate_base.audit import Finding
from populate_base.refine import CauseChange
from populate_base.repair import SeriesRepair
from populate_base.sample import Scope
from populate_base.verify import SeriesAudit


def verify_json(audits: Sequence[SeriesAudit], scope: Scope) -> dict[str, Any]:
    """Return what a verify found as JSON values; ranges are half-open."""
    differences = sum(len(audit.findings) for audit in audits)
    return {
        "agrees": differences == 0,
        "differences": differences,
        "fraction": scope.fraction,
        "seed": scope.seed,
        "series": [_audit_json(audit) for audit in audits],
    }


def repair_json(
    repairs: Sequence[SeriesRepair], changes: Sequence[CauseChange], scope: Scope, *, is_dry: bool
) -> dict[str, Any]:
    """Return what a repair did as JSON values."""
    return {
        "dry_run": is_dry,
        "left": sum(len(repair.left) for repair in repairs),
        "fraction": scope.fraction,
        "seed": scope.seed,
        "series": [
            {
                **_audit_json(repair.audit),
                "inserted": repair.inserted,
                "replaced": repair.replaced,
                "asked": _ranges_json(repair.asked),
                "resolved": _ranges_json(repair.resolved),
                "files_restated": repair.files_restated,
                "causes": _causes_json([*repair.causes, *_of_series(changes, repair.audit.series)]),
                "left": [one._asdict() for one in repair.left],
            }
            for repair in repairs
        ],
    }


def _of_series(changes: Iterable[CauseChange], series: Series) -> list[CauseChange]:
    return [change for change in changes if change.series == series]


def _causes_json(changes: Iterable[CauseChange]) -> list[dict[str, Any]]:
    return [
        {
            "start_ms": change.gap.start_ms,
            "end_ms": change.gap.end_ms,
            "was": change.was.value,
            "cause": change.gap.cause.value,
        }
        for change in changes
    ]


def _ranges_json(ranges: Iterable[Range]) -> list[dict[str, int]]:
    return [{"start_ms": span.start_ms, "end_ms": span.end_ms} for span in ranges]


def _audit_json(audit: SeriesAudit) -> dict[str, Any]:
    return {
        "symbol": audit.series.symbol,
        "interval": audit.series.interval.value,
        "start_ms": audit.span.start_ms,
        "end_ms": audit.span.end_ms,
        "rows": audit.rows,
        "rows_compared": audit.rows_compared,
        "files_compared": audit.files,
        "files_unchanged": audit.files_unchanged,
        "compared": _ranges_json(audit.compared),
        "findings": [finding._asdict() for finding in audit.findings],
        "overruled": [finding._asdict() for finding in audit.overruled],
        "notes": audit.notes,
    }


def render_verify(audits: Sequence[SeriesAudit], scope: Scope) -> Iterator[str]:
    """Yield what a verify found line by line."""
    for audit in audits:
        yield from _render_audit(audit, scope)
        for finding in audit.findings:
            yield f"  {_sentence(finding)}"
    differences = sum(len(audit.findings) for audit in audits)
    yield "All agree." if differences == 0 else f"{differences:,} differences."


def render_repair(
    repairs: Sequence[SeriesRepair], changes: Sequence[CauseChange], scope: Scope, *, is_dry: bool
) -> Iterator[str]:
    """Yield what a repair did line by line."""
    for repair in repairs:
        yield from _render_audit(repair.audit, scope)
        would = "would be " if is_dry else ""
        left = set(repair.left)
        for finding in repair.audit.findings:
            fate = "left" if finding in left else f"{would}mended"
            yield f"  {fate}: {_sentence(finding)}"
        for span in repair.resolved:
            yield f"  gap resolved: {_span(span)}"
        for change in [*repair.causes, *_of_series(changes, repair.audit.series)]:
            span = Range(*change.gap[:2])
            yield f"  cause changed: {_span(span)}: {change.was} -> {change.gap.cause}"
        for url in repair.files_restated:
            yield f"  file {would}restated: {url}"
        yield (
            f"  {repair.inserted:,} klines {would}inserted, {repair.replaced:,} {would}replaced,"
            f" {len(repair.asked):,} gaps asked again"
        )
    left_over = sum(len(repair.left) for repair in repairs)
    yield "Nothing is left." if left_over == 0 else f"{left_over:,} findings are left."


def _render_audit(audit: SeriesAudit, scope: Scope) -> Iterator[str]:
    name = f"{audit.series.symbol} {audit.series.interval}"
    if audit.span.start_ms >= audit.span.end_ms:
        yield f"{name}: nothing of it is stored in that range."
        return
    yield (
        f"{name}: {_span(audit.span)}: {audit.rows:,} klines recounted, {audit.rows_compared:,}"
        f" compared, {audit.files} files read, {audit.files_unchanged} unchanged"
    )
    if scope.fraction < 1:
        days = ", ".join(format_time(part.start_ms)[:10] for part in audit.compared)
        yield f"  compared with the exchange (seed {scope.seed}): {days}"
    if audit.overruled:
        yield f"  {len(audit.overruled):,} values of less believed sources differ (--json)"
    for note in audit.notes:
        yield f"  note: {note}"


def _sentence(finding: Finding) -> str:
    where = _span(Range(finding.start_ms, finding.end_ms)) if finding.end_ms else ""
    field = f" {finding.field}" if finding.field else ""
    text = f"{finding.kind}{field} {where}".strip()
    sides = [
        f"{side} {value!r}" + (f" ({source})" if source else "")
        for side, value, source in (
            ("stored", finding.stored, finding.stored_source),
            ("found", finding.found, finding.found_source),
        )
        if value or source
    ]
    return f"{text}: {', '.join(sides)}"


def _span(span: Range) -> str:
    if span.end_ms - span.start_ms == 1:
        return format_time(span.start_ms)
    return f"{format_time(span.start_ms)} to {format_time(span.end_ms)}"
