"""The relay: from the outbox to Elasticsearch, every announcement at least once.

Deterministic ids make "at least once" the same as "exactly once". An announcement leaves
the outbox only when Elasticsearch has confirmed all its documents, so that a crash at any
moment costs nothing but sending a few documents again. One round reads, sends and
confirms; rounds follow one another, so that a document's newest state is sent last.

A lease keeps a second relay from doing the same work. Should two deliver all the same, the
one that settles later finds the announcement gone; it may have sent the older state, and so
announces the document again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from elasticsearch import Elasticsearch
from sqlalchemy import Connection

from forecast_sink import metrics
from forecast_sink.bulk import Bulk, Outcome, Rejection
from forecast_sink.cluster import check_version
from forecast_sink.installation import installed_problem
from forecast_sink.source import Letter, read_letters
from forecast_sink.sources.scope import Choices
from market.clock import ExchangeClock
from market.errors import KlinecastError, SchemaMismatch, ServiceUnavailable
from market.log import get_logger
from market.store import Store
from market.store.leases import KeptLease
from market.store.outbox import (
    Announcement,
    announce_absent,
    bury,
    confirm,
    outbox_depth,
    read_outbox,
)

log = get_logger()

_ROUND = 200
_POLL_S = 0.5
_DEPTH_EVERY_S = 5.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0


class Sorted(NamedTuple):
    """Letters of one round by what became of them; `reason` says why some may pass later."""

    delivered: list[Announcement]
    dead: list[tuple[Announcement, str]]
    reason: str


class Relay:
    """Carries announcements until it is told to stop.

    Attributes:
        problem: why the last round could not end, `None` while all is well.
    """

    def __init__(
        self, store: Store, client: Elasticsearch, choices: Choices, clock: ExchangeClock
    ) -> None:
        self._store = store
        self._client = client
        self._choices = choices
        self._clock = clock
        self._bulk = Bulk(client)
        self._is_checked = False
        self._depth_due_s = 0.0
        self.problem: str | None = "not started yet"

    def run(self, stop: threading.Event, lease: KeptLease) -> None:
        """Deliver while the lease is held until `stop` is set; wait while store or index are down.

        Raises:
            SchemaMismatch: the store's schema is not this version's.
        """
        pause_s = _FIRST_PAUSE_S
        while not stop.is_set():
            try:
                if not lease.wait(_POLL_S):
                    self._prepare()
                elif not self.deliver():
                    stop.wait(_POLL_S)
            except SchemaMismatch:
                raise
            except KlinecastError as error:
                self._report_problem(error.detail)
                metrics.FAILURES.inc()
                self._is_checked = False
                stop.wait(pause_s * random.uniform(0.5, 1.0))
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            self._report_problem(None)
            pause_s = _FIRST_PAUSE_S

    def deliver(self) -> int:
        """Do one round; return how many announcements left the outbox.

        Raises:
            SchemaMismatch: the store's schema is not this version's.
            KlinecastError: something is missing or down; the rest waits in the outbox.
        """
        self._prepare()
        started_s = time.monotonic()
        with self._store.read() as connection:
            announcements = read_outbox(connection, _ROUND)
            scope = self._choices.read_scope(connection, self._clock.now_ms())
            letters = read_letters(connection, announcements, scope)
        if not letters:
            return 0
        documents = [document for letter in letters for document in letter.documents]
        outcomes = self._bulk.write(documents)
        result = sort_letters(letters, outcomes)
        settled = self._settle(announcements, result)
        metrics.DOCUMENTS.inc(sum(outcome is None for outcome in outcomes))
        metrics.ROUND_SECONDS.observe(time.monotonic() - started_s)
        if result.reason:
            raise ServiceUnavailable(result.reason)
        return settled

    def _prepare(self) -> None:
        self._measure_depth()
        if not self._is_checked:
            self._check()

    def _check(self) -> None:
        self._store.check_schema()
        check_version(self._client)
        problem = installed_problem(self._client)
        if problem is not None:
            raise ServiceUnavailable(problem)
        self._is_checked = True

    def _settle(self, announcements: Sequence[Announcement], result: Sorted) -> int:
        failed_at_ms = self._clock.now_ms()

        def work(connection: Connection) -> Sorted:
            delivered = confirm(connection, result.delivered)
            dead = [
                (announcement, reason)
                for announcement, reason in result.dead
                if bury(connection, announcement, reason, failed_at_ms)
            ]
            settled = {*delivered, *(announcement for announcement, _ in dead)}
            # Those another relay has settled: what was sent here may have been older.
            announce_absent(connection, [one for one in announcements if one not in settled])
            return result._replace(delivered=delivered, dead=dead)

        settled = self._store.transact(work)
        for announcement in settled.delivered:
            metrics.DELIVERED.labels(announcement.index_name).inc()
        for announcement, reason in settled.dead:
            metrics.REJECTED.labels(announcement.index_name).inc()
            log.error("document_rejected", key=announcement.key, reason=reason)
            self._depth_due_s = 0.0
        if settled.delivered:
            log.debug("delivered", announcements=len(settled.delivered))
        return len(settled.delivered) + len(settled.dead)

    def _measure_depth(self) -> None:
        if time.monotonic() < self._depth_due_s:
            return
        with self._store.read() as connection:
            waiting, oldest_ms, dead = outbox_depth(connection)
        age_ms = 0 if oldest_ms is None else self._clock.now_ms() - oldest_ms
        metrics.WAITING.set(waiting)
        metrics.LAG_SECONDS.set(max(age_ms, 0) / 1000)
        metrics.DEAD_LETTERS.set(dead)
        self._depth_due_s = time.monotonic() + _DEPTH_EVERY_S

    def _report_problem(self, problem: str | None) -> None:
        if problem != self.problem:
            if problem is None:
                log.info("relay_ready")
            else:
                log.warning("relay_waiting", reason=problem)
        self.problem = problem


def sort_letters(letters: Sequence[Letter], outcomes: Sequence[Outcome]) -> Sorted:
    """Sort letters by their documents' outcomes, which are in the letters' order.

    A letter is delivered when all its documents are; one document refused for good makes
    it a dead letter, once none of the others may still pass.
    """
    delivered: list[Announcement] = []
    dead: list[tuple[Announcement, str]] = []
    reasons: list[str] = []
    position = 0
    for letter in letters:
        own = outcomes[position : position + len(letter.documents)]
        position += len(letter.documents)
        rejections = [outcome for outcome in own if isinstance(outcome, Rejection)]
        may_pass = [rejection.reason for rejection in rejections if rejection.may_pass]
        if may_pass:
            reasons.append(may_pass[0])
        elif rejections or letter.refusal:
            dead.append((letter.announcement, letter.refusal or rejections[0].reason))
        else:
            delivered.append(letter.announcement)
    return Sorted(delivered, dead, reasons[0] if reasons else "")
