"""Repairing: verify, and mend what the exchange can still give.

Every step is a transaction of its own that leaves the store truer than it was: a repair
that is killed goes on where it was when it is started again, and a second one finds
nothing to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from market.gaps import Cause, Gap, Range, merge_ranges, subtract_ranges
from market.interval import Interval
from market.store import Store
from market.store.gap_ledger import read_gaps
from market.store.klines import Batch, read_newest_open, write_klines
from market.store.provenance import StoredFile, write_file_checked, write_file_seen
from market.store.symbols import Series
from populate_base.answers import Answer
from populate_base.audit import Comparison, Finding, Kind
from populate_base.backfill import Sources
from populate_base.causes import Knowledge
from populate_base.ledger import settle
from populate_base.refine import CauseChange, refine_outages
from populate_base.sample import Scope, pick_sample
from populate_base.verify import Judge, SeriesAudit, Verifier

#: Gaps with these causes are asked for again.
_ASKED_AGAIN = (Cause.REPAIRABLE, Cause.SOURCE_MISSING)
#: Findings about rows: their slots are compared, whatever the sample is.
_ROW_FAULTS = (Kind.BROKEN_RULE, Kind.OUTSIDE, Kind.SLOT_TWICE)
#: Findings that settling the ledger mends.
_LEDGER_FAULTS = (Kind.UNRECORDED_GAP, Kind.GAP_OVER_KLINES, Kind.WRONG_WATERMARK)
_MENDED_BY_WRITING = (Kind.DIFFERENT_VALUE, Kind.NOT_STORED, Kind.FILE_REPLACED)


@dataclass(slots=True)
class SeriesRepair:
    """What a repair of a series found and did.

    Attributes:
        inserted, replaced: klines written; the audit's findings tell old and new values.
        resolved: ranges that were in a gap and hold klines now.
        causes: gaps whose cause is another one now.
        asked: gaps that were asked for again.
        files_restated: addresses of files that are stored anew.
        is_dry: nothing was written.
    """

    audit: SeriesAudit
    is_dry: bool
    inserted: int = 0
    replaced: int = 0
    asked: list[Range] = field(default_factory=list)
    resolved: list[Range] = field(default_factory=list)
    causes: list[CauseChange] = field(default_factory=list)
    files_restated: list[str] = field(default_factory=list)

    @property
    def left(self) -> list[Finding]:
        """The findings that this repair did not mend, or would not."""
        mended = (*_LEDGER_FAULTS, *_MENDED_BY_WRITING)
        return [finding for finding in self.audit.findings if finding.kind not in mended]


class _Mender(Judge):
    """Writes what is better than what is stored, at once."""

    def __init__(
        self, store: Store, repair: SeriesRepair, announce_from_ms: int, now_ms: int
    ) -> None:
        self._store = store
        self._series = repair.audit.series
        self._repair = repair
        self._announce_from_ms = announce_from_ms
        self._now_ms = now_ms
        self._written_urls: set[str] = set()

    def on_answer(self, answer: Answer, comparison: Comparison) -> None:
        """Write the klines in which the source is believed, with revisions."""
        if not comparison.better:
            return
        if self._repair.is_dry:
            new = sum(one.kind is Kind.NOT_STORED for one in comparison.findings)
            self._repair.inserted += new
            self._repair.replaced += len(comparison.better) - new
            return
        written = write_klines(
            self._store,
            self._series,
            comparison.better,
            # Only a file that was gone through bears the mark that it needs no second look.
            answer.batch._replace(etag=None),
            announce_from_ms=self._announce_from_ms,
        )
        self._repair.inserted += written.inserted
        self._repair.replaced += written.changed
        self._written_urls.add(answer.batch.url)

    def on_file(self, stored: StoredFile | None, batch: Batch, rows: int) -> None:
        """Keep that the archive has this file now."""
        is_replaced = stored is not None and stored.sha256 != batch.sha256
        if is_replaced:
            self._repair.files_restated.append(batch.url)
        if self._repair.is_dry:
            return
        with self._store.begin() as connection:
            if stored is None or is_replaced or batch.url in self._written_urls:
                write_file_seen(connection, self._series, batch, rows)
            else:
                write_file_checked(connection, stored.batch_id, batch.fetched_at_ms, batch.etag)

    def on_unchanged(self, stored: StoredFile) -> None:
        """Keep when the archive was seen to have this file still."""
        if not self._repair.is_dry:
            with self._store.begin() as connection:
                write_file_checked(connection, stored.batch_id, self._now_ms, None)


class Repairer:
    """Repairs series one after the other."""

    def __init__(
        self,
        store: Store,
        sources: Sources,
        scope: Scope,
        *,
        index_klines: int = 1000,
        is_dry: bool = False,
    ) -> None:
        self._store = store
        self._sources = sources
        self._scope = scope
        self._index_klines = index_klines
        self._is_dry = is_dry
        self._verifier = Verifier(store, sources, scope)

    def repair(self, series: Series) -> SeriesRepair:
        """Verify a series, ask for its gaps again, and write what is better.

        Raises:
            ExchangeUnavailable, StoreUnavailable: after retries; what was mended stays so.
        """
        now_ms = self._sources.exchange.fetch_time_ms()
        audit = self._verifier.recount(series, now_ms)
        repair = SeriesRepair(audit, self._is_dry)
        if audit.span.start_ms >= audit.span.end_ms:
            return repair
        before = self._read_gaps(series)
        repair.asked = self._gaps_to_ask(audit, before)
        audit.compared = self._ranges(audit)
        mender = _Mender(self._store, repair, self._announce_from_ms(series), now_ms)
        self._verifier.compare_all(audit, audit.compared, now_ms, mender, gaps=repair.asked)
        if not self._is_dry:
            unread = any(one.kind is Kind.FILE_UNREADABLE for one in audit.findings)
            knowledge = Knowledge(tuple(repair.asked), now_ms, is_archive_heard=not unread)
            settle(self._store, series, [audit.span], now_ms, knowledge)
            self._tell_changes(repair, before)
        return repair

    def restate(self, series: Series) -> SeriesRepair:
        """Look whether the archive replaced files of a series, and restate those it did.

        Takes two listings; each file that changed is read and its klines are written where
        it is believed, with revisions. Nothing else is looked at.

        Raises: as `repair`.
        """
        now_ms = self._sources.clock.now_ms()
        span = Range(self._scope.start_ms or 0, self._scope.end_ms or now_ms)
        repair = SeriesRepair(SeriesAudit(series, span), self._is_dry)
        mender = _Mender(self._store, repair, self._announce_from_ms(series), now_ms)
        self._verifier.compare_all(repair.audit, (), now_ms, mender)
        return repair

    def refine(self, venue: str) -> list[CauseChange]:
        """Tell the causes of all gaps of a venue anew, after its series were repaired."""
        if self._is_dry:
            return []
        return refine_outages(self._store, self._sources.clock.now_ms(), venue=venue)

    def _gaps_to_ask(self, audit: SeriesAudit, gaps: Sequence[Gap]) -> list[Range]:
        open_gaps = [Range(*gap[:2]) for gap in gaps if gap.cause in _ASKED_AGAIN]
        open_gaps += [
            Range(one.start_ms, one.end_ms)
            for one in audit.findings
            if one.kind is Kind.UNRECORDED_GAP
        ]
        span = audit.span
        return merge_ranges(
            Range(max(gap.start_ms, span.start_ms), min(gap.end_ms, span.end_ms))
            for gap in open_gaps
        )

    def _ranges(self, audit: SeriesAudit) -> list[Range]:
        interval = audit.series.interval
        faults = [
            Range(interval.floor(one.start_ms), interval.ceil(one.end_ms))
            for one in audit.findings
            if one.kind in _ROW_FAULTS
        ]
        return merge_ranges([*pick_sample(audit.series, audit.span, self._scope), *faults])

    def _announce_from_ms(self, series: Series) -> int:
        interval: Interval = series.interval
        with self._store.read() as connection:
            newest_ms = read_newest_open(connection, series)
        return interval.add(interval.floor(newest_ms or 0), -self._index_klines)

    def _read_gaps(self, series: Series) -> list[Gap]:
        with self._store.read() as connection:
            return read_gaps(connection, series, None, None)

    def _tell_changes(self, repair: SeriesRepair, before: Sequence[Gap]) -> None:
        after = self._read_gaps(repair.audit.series)
        still = [Range(*gap[:2]) for gap in after]
        repair.resolved = subtract_ranges([Range(*gap[:2]) for gap in before], still)
        for old in before:
            for new in after:
                start_ms, end_ms = max(old.start_ms, new.start_ms), min(old.end_ms, new.end_ms)
                if start_ms < end_ms and old.cause is not new.cause:
                    gap = Gap(start_ms, end_ms, new.cause)
                    repair.causes.append(CauseChange(repair.audit.series, gap, old.cause))
