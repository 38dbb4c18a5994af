"""Comparing the index with the store."""

from __future__ import annotations

from typing import Any, NamedTuple

from elasticsearch import Elasticsearch
from sqlalchemy import func, select

from forecast_sink.cluster import reaching
from forecast_sink.documents import StepChoice
from forecast_sink.indices import FORECASTS, KLINES
from forecast_sink.rebuilding import forecast_keys
from forecast_sink.source import read_letters
from market.store import Store
from market.store import tables as t
from market.store.outbox import Announcement, outbox_depth
from market.store.symbols import Series, read_extents

_PAGE = 100
_SHOWN = 20


class Report(NamedTuple):
    """What a comparison found.

    Attributes:
        waiting, dead: announcements not delivered yet, and dead letters.
        forecasts: documents the ledger calls for, and how many the index holds.
        klines: klines in the index, and how many the store holds in the same spans.
        missing: ids of forecast documents that the index lacks, the first few.
    """

    waiting: int
    dead: int
    forecasts: tuple[int, int]
    klines: tuple[int, int]
    missing: list[str]

    @property
    def agrees(self) -> bool:
        """Tell whether index and store say the same, with nothing under way."""
        same = self.forecasts[0] == self.forecasts[1] and self.klines[0] == self.klines[1]
        return same and not (self.missing or self.waiting or self.dead)

    def as_object(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "agrees": self.agrees,
            "waiting": self.waiting,
            "dead_letters": self.dead,
            "forecasts": {"expected": self.forecasts[0], "indexed": self.forecasts[1]},
            "klines": {"indexed": self.klines[0], "stored": self.klines[1]},
            "missing": self.missing,
        }

    def as_lines(self) -> list[str]:
        """Return the report for a reader."""
        return [
            f"waiting in the outbox: {self.waiting}, dead letters: {self.dead}",
            f"forecasts: {self.forecasts[0]} documents expected, {self.forecasts[1]} indexed",
            f"klines: {self.klines[0]} indexed, {self.klines[1]} stored in the same spans",
            *(f"missing: {identity}" for identity in self.missing),
            "index and store agree" if self.agrees else "index and store differ",
        ]


def compare(store: Store, client: Elasticsearch, choice: StepChoice) -> Report:
    """Compare the index with the store.

    Raises:
        ServiceUnavailable, StoreUnavailable: one of them does not answer.
    """
    with reaching(client):
        client.indices.refresh(index=f"{FORECASTS.alias},{KLINES.alias}")
        indexed = int(client.count(index=FORECASTS.alias)["count"])
    with store.read() as connection:
        waiting, _, dead = outbox_depth(connection)
    expected, missing = _missing_forecasts(store, client, choice)
    return Report(waiting, dead, (expected, indexed), _count_klines(store, client), missing)


def _missing_forecasts(
    store: Store, client: Elasticsearch, choice: StepChoice
) -> tuple[int, list[str]]:
    expected, missing = 0, list[str]()
    for keys in forecast_keys(store, _PAGE):
        with store.read() as connection:
            wanted = [Announcement("forecasts", key, 0, 0) for key in keys]
            letters = read_letters(connection, wanted, choice)
        ids = [document.identity for letter in letters for document in letter.documents]
        expected += len(ids)
        if not ids:
            continue
        with reaching(client):
            found = client.mget(index=FORECASTS.alias, ids=ids, source=False)["docs"]
        missing += [document["_id"] for document in found if not document.get("found")]
    return expected, missing[:_SHOWN]


def _count_klines(store: Store, client: Elasticsearch) -> tuple[int, int]:
    with store.read() as connection:
        extents = read_extents(connection)
    indexed, stored = 0, 0
    for extent in extents:
        count, first_ms, last_ms = _indexed_span(client, extent.series)
        indexed += count
        if count:
            stored += _stored(store, extent.series, first_ms, last_ms)
    return indexed, stored


def _indexed_span(client: Elasticsearch, series: Series) -> tuple[int, int, int]:
    with reaching(client):
        answer = client.search(
            index=KLINES.alias,
            size=0,
            track_total_hits=True,
            query={
                "bool": {
                    "filter": [
                        {"term": {"symbol": series.symbol}},
                        {"term": {"interval": series.interval.value}},
                    ]
                }
            },
            aggs={
                "first": {"min": {"field": "open_time"}},
                "last": {"max": {"field": "open_time"}},
            },
        )
    span = answer["aggregations"]
    first, last = span["first"]["value"] or 0, span["last"]["value"] or 0
    return int(answer["hits"]["total"]["value"]), int(first), int(last)


def _stored(store: Store, series: Series, first_ms: int, last_ms: int) -> int:
    k = t.klines.c
    query = select(func.count()).where(
        k.symbol_id == series.symbol_id,
        k.interval_id == series.interval.number,
        k.open_time_ms.between(first_ms, last_ms),
    )
    with store.read() as connection:
        return int(connection.execute(query).scalar_one())
