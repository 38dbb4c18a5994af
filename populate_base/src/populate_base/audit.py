"""What an audit of a series finds: rules of the store, and differences from the exchange.

Pure: rows, gaps and answers come in as arguments, findings go out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from market.errors import DataError
from market.gaps import Gap, Range, find_missing, find_watermark, merge_ranges, subtract_ranges
from market.interval import Interval
from market.kline import KLINE_FIELDS, Kline, check_kline, exact_kline, is_irregular
from market.store.kline_slots import plan_moves
from market.store.klines import Source
from market.store.provenance import BatchCount, SourcedKline

#: Of two sources that disagree the one of the higher rank is believed. The monthly files
#: are known to hold other values than the API and the daily files agree on
#: (github.com/binance/binance-public-data, issue 475); a stream's kline may be early.
_RANKS = {
    Source.IMPORT: 0,
    Source.WS: 1,
    Source.ARCHIVE_MONTHLY: 2,
    Source.ARCHIVE_DAILY: 3,
    Source.REST: 4,
}
#: The unused twelfth field differs between archive and REST and says nothing.
_COMPARED = KLINE_FIELDS[:-1]


class Kind(StrEnum):
    """What is wrong."""

    UNRECORDED_GAP = "unrecorded_gap"
    GAP_OVER_KLINES = "gap_over_klines"
    WRONG_WATERMARK = "wrong_watermark"
    SLOT_TWICE = "slot_twice"
    OUTSIDE = "outside"
    BROKEN_RULE = "broken_rule"
    BATCH_COUNT = "batch_count"
    DIFFERENT_VALUE = "different_value"
    NOT_STORED = "not_stored"
    NOT_AT_SOURCE = "not_at_source"
    FILE_REPLACED = "file_replaced"
    FILE_UNREADABLE = "file_unreadable"


class Finding(NamedTuple):
    """One thing that is not as it should be.

    Attributes:
        start_ms, end_ms: the open times concerned, half-open.
        field: the kline's field that differs, where one does.
        stored, found: both values as text, with where each came from.
    """

    kind: Kind
    start_ms: int
    end_ms: int
    stored: str = ""
    found: str = ""
    stored_source: str = ""
    found_source: str = ""
    field: str = ""


def rank(source: Source | None) -> int:
    """Return how far a source is believed; a row of unknown origin least."""
    return -1 if source is None else _RANKS[source]


def check_ledger(
    interval: Interval, span: Range, opens: Sequence[int], gaps: Sequence[Gap]
) -> list[Finding]:
    """Compare what a span misses with what the ledger says it misses.

    `span` begins at the first and ends after the newest stored kline of the series, or
    within. `opens` are all open times stored in it.
    """
    missing = find_missing(interval, *span, opens)
    told = merge_ranges(
        Range(max(gap.start_ms, span.start_ms), min(gap.end_ms, span.end_ms)) for gap in gaps
    )
    findings = [
        Finding(Kind.UNRECORDED_GAP, *part, stored="no entry", found="missing")
        for part in subtract_ranges(missing, told)
    ]
    findings += [
        Finding(Kind.GAP_OVER_KLINES, *part, stored="an open gap", found="klines")
        for part in subtract_ranges(told, missing)
    ]
    return findings


def check_slots(interval: Interval, opens: Sequence[int]) -> list[Finding]:
    """Name slots that hold more than one kline; `opens` ascend."""
    findings: list[Finding] = []
    for earlier, later in zip(opens, opens[1:], strict=False):
        slot_ms = interval.floor(later)
        if interval.floor(earlier) == slot_ms:
            text = f"klines {earlier} and {later}"
            findings.append(Finding(Kind.SLOT_TWICE, slot_ms, later + 1, stored=text))
    return findings


def check_watermark(
    interval: Interval, extent: Range, gaps: Sequence[Gap], stored_ms: int | None
) -> list[Finding]:
    """Compare the watermark with the one that the ledger implies.

    `extent` goes from the first stored kline's slot to the end of the newest one.
    """
    inside = [gap for gap in gaps if gap.start_ms < extent.end_ms]
    right_ms = find_watermark(interval, extent.start_ms, inside, extent.end_ms)
    if right_ms == stored_ms:
        return []
    return [Finding(Kind.WRONG_WATERMARK, *extent, stored=str(stored_ms), found=str(right_ms))]


def check_rows(interval: Interval, rows: Iterable[SourcedKline], life: Range) -> list[Finding]:
    """Check rows by themselves: the rules of a kline, its flag, and that it can be.

    `life` begins with the symbol's first kline ever, where that is known, and ends with
    the exchange's now: what has not closed by then can't be stored.
    """
    findings: list[Finding] = []
    for row in rows:
        kline, origin = row.kline, _name(row.source)
        end_ms = kline.open_time_ms + 1

        def report(
            kind: Kind, stored: str, found: str, *, start_ms: int = kline.open_time_ms,
            end_ms: int = end_ms, origin: str = origin,
        ) -> None:  # fmt: skip
            findings.append(Finding(kind, start_ms, end_ms, stored, found, origin))

        try:
            check_kline(exact_kline(kline))
        except DataError as error:
            report(Kind.BROKEN_RULE, error.detail, "")
        if row.irregular != is_irregular(kline, interval):
            report(Kind.BROKEN_RULE, f"irregular={row.irregular}", str(not row.irregular))
        if kline.open_time_ms < life.start_ms or kline.close_time_ms >= life.end_ms:
            report(Kind.OUTSIDE, f"closes at {kline.close_time_ms}", f"[{life[0]}, {life[1]})")
    return findings


def check_batches(counts: Iterable[BatchCount], most_rows: Mapping[int, int]) -> list[Finding]:
    """Check that no batch has more rows than it brought, nor brought more than it can hold.

    `most_rows` are the klines a file can hold, by batch.
    """
    findings: list[Finding] = []
    for count in counts:
        name = f"batch {count.batch_id}"
        if count.source is None:
            text = f"{count.found} rows of an unknown {name}"
            findings.append(Finding(Kind.BATCH_COUNT, 0, 0, stored=text))
        elif count.found > count.told or count.told > most_rows.get(count.batch_id, count.told):
            text = f"{name} has {count.found} rows, it says {count.told}"
            most = f"at most {most_rows.get(count.batch_id, count.told)}"
            findings.append(Finding(Kind.BATCH_COUNT, 0, 0, text, most, count.url or ""))
    return findings


class Comparison(NamedTuple):
    """Stored rows against one source.

    Attributes:
        findings: what should be otherwise.
        overruled: differences in which the stored row's source is believed.
        better: the source's klines that are to replace stored ones or to be added.
    """

    findings: list[Finding]
    overruled: list[Finding]
    better: list[Kline]


def compare(
    interval: Interval,
    rows: Sequence[SourcedKline],
    found: Sequence[Kline],
    source: Source,
    origin: str,
) -> Comparison:
    """Compare stored klines of a range with all that a source has in it, slot by slot.

    A file that was replaced is the same source again: its new values count. A kline that
    opens at another time of its slot than the stored one is the same kline.
    """
    comparison = Comparison([], [], [])
    klines = [exact_kline(kline) for kline in found]
    stored = {row.kline.open_time_ms: row for row in rows}
    opens = [kline.open_time_ms for kline in klines]
    partners = {move.to_ms: move.from_ms for move in plan_moves(interval, list(stored), opens)}
    for kline in klines:
        row = stored.pop(partners.get(kline.open_time_ms, kline.open_time_ms), None)
        if row is None:
            span = (kline.open_time_ms, kline.open_time_ms + 1)
            text = ",".join(map(str, kline))
            finding = Finding(Kind.NOT_STORED, *span, "", text, "", origin)
            comparison.findings.append(finding)
            comparison.better.append(kline)
            continue
        differences = list(_differences(row, kline, origin))
        if differences and rank(source) >= rank(row.source):
            comparison.findings.extend(differences)
            comparison.better.append(kline)
        else:
            comparison.overruled.extend(differences)
    for row in stored.values():
        span = (row.kline.open_time_ms, row.kline.open_time_ms + 1)
        finding = Finding(Kind.NOT_AT_SOURCE, *span, "stored", "", _name(row.source), origin)
        # What another source brought need not be in this one; a stream's klines are REST's.
        known = row.source == source or (source is Source.REST and row.source is Source.WS)
        (comparison.findings if known else comparison.overruled).append(finding)
    return comparison


def _differences(row: SourcedKline, kline: Kline, origin: str) -> Iterable[Finding]:
    opens = (row.kline.open_time_ms, kline.open_time_ms)
    span = (min(opens), max(opens) + 1)
    for name, mine, theirs in zip(_COMPARED, row.kline, kline, strict=False):
        if mine != theirs:
            yield Finding(
                Kind.DIFFERENT_VALUE, *span, str(mine), str(theirs), _name(row.source), origin, name
            )


def _name(source: Source | None) -> str:
    return "unknown" if source is None else source.value
