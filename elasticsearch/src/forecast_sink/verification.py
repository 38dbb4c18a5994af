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
from forecast_sink.window import series_filter
from market.store import Store
from market.store import tables as t
from market.store.outbox import Announcement, outbox_depth
from market.store.symbols import Series, read_bounds
from market.times import format_time

_PAGE = 100
_SHOWN = 20


class Report(NamedTuple):
    """What a comparison found.

    Attributes:
        waiting, dead: announcements not delivered yet, and dead letters.
        forecasts: documents the ledger calls for, and how many the index holds.
        klines: klines in the index, and how many the store holds from the first of them to
            the newest it had when the comparison began; of each series it must be one at least.
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
            f"klines: {self.klines[0]} indexed, {self.klines[1]} stored since the first of them",
            *(f"missing: {identity}" for identity in self.missing),
            "index and store agree" if self.agrees else "index and store differ",
        ]


def compare(store: Store, client: Elasticsearch, choice: StepChoice) -> Report:
    """Compare the index with the store.

    Raises:
        ServiceUnavailable, StoreUnavailable: one of them does not answer.
    """
    # First the store: what it had announced and delivered by now must be in the index below.
    with store.read() as connection:
        waiting, _, dead = outbox_depth(connection)
        bounds = read_bounds(connection)
    with reaching(client):
        client.indices.refresh(index=f"{FORECASTS.alias},{KLINES.alias}")
        indexed = int(client.count(index=FORECASTS.alias)["count"])
    expected, missing = _missing_forecasts(store, client, choice)
    klines = [_count_klines(store, client, one.series, one.newest_open_ms) for one in bounds]
    counts = sum(count for count, _ in klines), sum(count for _, count in klines)
    return Report(waiting, dead, (expected, indexed), counts, missing)


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
