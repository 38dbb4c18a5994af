"""Comparing the index with the store."""

from __future__ import annotations

from typing import Any, NamedTuple

from elasticsearch import Elasticsearch
from sqlalchemy import func, select

from forecast_sink.cluster import reaching
from forecast_sink.documents import Document
from forecast_sink.indices import FORECASTS, KLINES
from forecast_sink.sources.registry import SOURCES
from forecast_sink.sources.scope import Choices, Scope
from forecast_sink.window import series_filter
from market.store import Store
from market.store import tables as t
from market.store.outbox import outbox_depth
from market.store.symbols import Series, read_bounds
from market.times import format_time

_PAGE = 100
_IDS = 1000
_SHOWN = 20


class Report(NamedTuple):
    """What a comparison found.

    Attributes:
        waiting, dead: announcements not delivered yet, and dead letters.
        forecasts: documents the ledger calls for, and how many the index holds.
        klines: klines in the index, and how many the store holds from the first of them to
            the newest it had when the comparison began; of each series it must be one at least.
        missing: ids of documents that an index lacks, the first few.
        stale: ids of those that say something else than the store, the first few.
    """

    waiting: int
    dead: int
    forecasts: tuple[int, int]
    klines: tuple[int, int]
    missing: list[str]
    stale: list[str]

    @property
    def agrees(self) -> bool:
        """Tell whether index and store say the same, with nothing under way."""
        same = self.forecasts[0] == self.forecasts[1] and self.klines[0] == self.klines[1]
        return same and not (self.missing or self.stale or self.waiting or self.dead)

    def as_object(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "agrees": self.agrees,
            "waiting": self.waiting,
            "dead_letters": self.dead,
            "forecasts": {"expected": self.forecasts[0], "indexed": self.forecasts[1]},
            "klines": {"indexed": self.klines[0], "stored": self.klines[1]},
            "missing": self.missing,
            "stale": self.stale,
        }

    def as_lines(self) -> list[str]:
        """Return the report for a reader."""
        return [
            f"waiting in the outbox: {self.waiting}, dead letters: {self.dead}",
            f"forecasts: {self.forecasts[0]} documents expected, {self.forecasts[1]} indexed",
            f"klines: {self.klines[0]} indexed, {self.klines[1]} stored since the first of them",
            *(f"missing: {identity}" for identity in self.missing),
            *(f"not as the store has it: {identity}" for identity in self.stale),
            "index and store agree" if self.agrees else "index and store differ",
        ]


def compare(store: Store, client: Elasticsearch, choices: Choices, now_ms: int) -> Report:
    """Compare the indices with the store, document by document.

    Klines are counted; forecasts and signals are compared field by field. The other indices
    follow the store some seconds later, and are not compared.

    Raises:
        ServiceUnavailable, StoreUnavailable: one of them does not answer.
    """
    # First the store: what it had announced and delivered by now must be in the index below.
    with store.read() as connection:
        waiting, _, dead = outbox_depth(connection)
        bounds = read_bounds(connection)
        scope = choices.read_scope(connection, now_ms)
    with reaching(client):
        client.indices.refresh(index="klinecast-*")
        indexed = int(client.count(index=FORECASTS.alias)["count"])
    expected, missing, stale = 0, list[str](), list[str]()
    for name in ("forecasts", "signals"):
        count = _compare_index(store, client, name, scope, missing, stale)
        expected = count if name == FORECASTS.name else expected
    klines = [_count_klines(store, client, one.series, one.newest_open_ms) for one in bounds]
    counts = sum(count for count, _ in klines), sum(count for _, count in klines)
    return Report(waiting, dead, (expected, indexed), counts, missing[:_SHOWN], stale[:_SHOWN])


def _compare_index(
    store: Store,
    client: Elasticsearch,
    name: str,
    scope: Scope,
    missing: list[str],
    stale: list[str],
) -> int:
    """Add the ids that differ to `missing` and `stale`; return how many documents there are."""
    source, count = SOURCES[name], 0
    for keys in source.iter_keys(store, scope):
        for start in range(0, len(keys), _PAGE):
            with store.read() as connection:
                found = source.read(connection, keys[start : start + _PAGE], scope)
            documents = [
                one
                for own in found.values()
                if not isinstance(own, str)
                for one in own
                if one.body is not None
            ]
            count += len(documents)
            for part in range(0, len(documents), _IDS):
                _compare(client, source.plan.alias, documents[part : part + _IDS], missing, stale)
    return count


def _compare(
    client: Elasticsearch,
    alias: str,
    documents: list[Document],
    missing: list[str],
    stale: list[str],
) -> None:
    ids = [document.identity for document in documents]
    with reaching(client):
        # A search, for behind an alias there may be several indices.
        hits = client.search(index=alias, size=len(ids), query={"ids": {"values": ids}})["hits"]
    bodies = {hit["_id"]: hit["_source"] for hit in hits["hits"]}
    for document in documents:
        body = bodies.get(document.identity)
        if body is None:
            missing.append(document.identity)
        elif any(body.get(field) != value for field, value in (document.body or {}).items()):
            stale.append(document.identity)


def _count_klines(
    store: Store, client: Elasticsearch, series: Series, newest_ms: int
) -> tuple[int, int]:
    """Return how many klines up to the newest are indexed, and stored since the first of those."""
    until_newest = {"range": {"open_time": {"lte": format_time(newest_ms)}}}
    with reaching(client):
        answer = client.search(
            index=KLINES.alias,
            size=0,
            track_total_hits=True,
            query={"bool": {"filter": [*series_filter(series), until_newest]}},
            aggs={"first": {"min": {"field": "open_time"}}},
        )
    indexed = int(answer["hits"]["total"]["value"])
    # Where none is there, the newest at least is missed.
    first_ms = int(answer["aggregations"]["first"]["value"]) if indexed else newest_ms
    k = t.klines.c
    query = select(func.count()).where(
        k.symbol_id == series.symbol_id,
        k.interval_id == series.interval.number,
        k.open_time_ms.between(first_ms, newest_ms),
    )
    with store.read() as connection:
        return indexed, int(connection.execute(query).scalar_one())
