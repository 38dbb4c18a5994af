"""Watching the store's tables for what nobody announces, and announcing it.

Klines and forecasts are announced by who writes them. Of scores, runs, health and events the
relay's own look at the store tells what changed; the announcements then take the same way,
with the same order, retries and dead letters.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from elasticsearch import Elasticsearch
from sqlalchemy import select

from forecast_sink.cluster import reaching
from forecast_sink.indices import EVENTS, RUNS, SCORES, IndexPlan
from forecast_sink.sources.events import KINDS, iter_keys_since, read_newest_ms
from forecast_sink.sources.health import read_keys
from forecast_sink.sources.scores import day_key, iter_days, read_card_keys
from market.clock import ExchangeClock
from market.errors import KlinecastError
from market.interval import DAY_MS, MINUTE_MS
from market.log import get_logger
from market.store import Store
from market.store import tables as t
from market.store.leases import KeptLease
from market.store.ledger_extents import read_ledger_extents
from market.store.outbox import announce
from market.store.symbols import read_bounds

log = get_logger()

_EVERY_S = 15.0
#: A row may be committed this much later than the time it bears.
_OVERLAP_MS = 10 * MINUTE_MS
_REMEMBERED = 200_000
_PAGE = 500


class Watch:
    """Announces what changed since the last look; the first look begins where the index ends."""

    def __init__(self, store: Store, client: Elasticsearch, clock: ExchangeClock) -> None:
        self._store = store
        self._client = client
        self._clock = clock
        self._since: dict[str, int] | None = None
        self._seen: OrderedDict[tuple[str, str], object] = OrderedDict()

    def run(self, stop: threading.Event, lease: KeptLease) -> None:
        """Look every quarter of a minute while the lease is held, until `stop`."""
        while not stop.is_set():
            if lease.is_held:
                try:
                    self.look()
                except KlinecastError as error:
                    log.warning("watch_waits", reason=error.detail)
            stop.wait(_EVERY_S)

    def look(self) -> int:
        """Announce what changed; return how many keys.

        Raises:
            StoreUnavailable, ServiceUnavailable: one of them does not answer.
        """
        now_ms = self._clock.now_ms()
        if self._since is None:
            self._since = self._read_ends()
        announced = self._scores(now_ms) + self._runs(now_ms) + self._events(now_ms)
        with self._store.read() as connection:
            keys = read_keys(connection)
        return announced + self._announce("health", keys, now_ms)

    def _read_ends(self) -> dict[str, int]:
        """Return up to when each index is filled, in ms; 0 for an empty one."""
        return {
            "days": self._newest(SCORES, "day", {"kind": "daily"}),
            "runs": self._newest(RUNS, "changed_at", {"kind": "run"}),
            **{kind: self._newest(EVENTS, "time", {"event": kind}) for kind in KINDS},
        }

    def _newest(self, plan: IndexPlan, field: str, terms: dict[str, str]) -> int:
        query: dict[str, Any] = {"bool": {"filter": [{"term": {k: v}} for k, v in terms.items()]}}
        with reaching(self._client):
            answer = self._client.search(
                index=plan.alias, size=0, query=query, aggs={"newest": {"max": {"field": field}}}
            )
        return int(answer["aggregations"]["newest"]["value"] or 0)

    def _scores(self, now_ms: int) -> int:
        announced = self._new_days(now_ms)
        with self._store.read() as connection:
            cards = read_card_keys(connection)
        return announced + self._announce_new("scores", cards.items(), now_ms)

    def _new_days(self, now_ms: int) -> int:
        """Announce days that were missed, and those of which another kline closed."""
        since = self._ends()
        announced = 0
        if since["days"] >= 0:
            for page in iter_days(self._store, since["days"], now_ms):
                announced += self._announce("scores", page, now_ms)
            since["days"] = -1
        with self._store.read() as connection:
            newest = {one.series: one.newest_open_ms for one in read_bounds(connection)}
            forecast = [extent.series for extent in read_ledger_extents(connection)]
        changed = []
        for series in forecast:
            open_ms = newest.get(series)
            if open_ms is None:
                continue
            day_ms = series.interval.close_of(series.interval.floor(open_ms)) // DAY_MS * DAY_MS
            # The day before too: its last klines may have come since the last look.
            changed += [(day_key(series, day_ms - back), open_ms) for back in (0, DAY_MS)]
        return announced + self._announce_new("scores", changed, now_ms)

    def _runs(self, now_ms: int) -> int:
        j, since = t.jobs.c, self._ends()
        query = select(j.id, j.changed_ms, j.state, j.progress).where(
            j.changed_ms >= since["runs"] - _OVERLAP_MS
        )
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        since["runs"] = max([since["runs"], *(row.changed_ms for row in rows)])
        changed = [(row.id, (row.changed_ms, row.state, row.progress)) for row in rows]
        return self._announce_new("runs", changed, now_ms)

    def _events(self, now_ms: int) -> int:
        since, announced = self._ends(), 0
        for kind in KINDS:
            for page in iter_keys_since(self._store, kind, since[kind] - _OVERLAP_MS):
                announced += self._announce_new("events", ((key, True) for key in page), now_ms)
            # By what the rows say: a clock that is not measured yet may be years ahead.
            since[kind] = max(since[kind], read_newest_ms(self._store, kind))
        return announced

    def _ends(self) -> dict[str, int]:
        if self._since is None:
            raise AssertionError("the first look reads where the indices end")
        return self._since

    def _announce_new(self, index: str, changed: Iterable[tuple[str, object]], now_ms: int) -> int:
        """Announce keys whose state is not the one last seen."""
        fresh = [(key, state) for key, state in changed if self._seen.get((index, key)) != state]
        announced = self._announce(index, [key for key, _ in fresh], now_ms)
        for key, state in fresh:  # only now: what could not be announced is still new
            self._seen[index, key] = state
            self._seen.move_to_end((index, key))
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return announced

    def _announce(self, index: str, keys: Sequence[str], now_ms: int) -> int:
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            self._store.transact(_announcing(index, page, now_ms))
        return len(keys)


def _announcing(index: str, keys: Sequence[str], now_ms: int) -> Callable[[Any], None]:
    return lambda connection: announce(connection, index, keys, now_ms)
