"""Retention: what has grown too old for an index leaves it; the store keeps all."""

from __future__ import annotations

import threading
from typing import Any

from elasticsearch import Elasticsearch

from forecast_sink.bulk import Bulk
from forecast_sink.cluster import reaching
from forecast_sink.documents import Document
from forecast_sink.indices import EVENTS, FORECASTS, KLINES, SIGNALS, IndexPlan
from forecast_sink.sources.scope import Choices
from forecast_sink.window import series_filter, window_start
from market.errors import KlinecastError, ServiceUnavailable
from market.log import get_logger
from market.store import Store
from market.store.leases import KeptLease
from market.store.symbols import read_bounds
from market.times import format_time

log = get_logger()

_EVERY_S = 600.0
_PAGE = 1000


def keep_retention(
    store: Store, client: Elasticsearch, choices: Choices, lease: KeptLease, stop: threading.Event
) -> None:
    """Remove what is too old every ten minutes, while the lease is held, until `stop`."""
    while not stop.wait(_EVERY_S):
        if not lease.is_held:
            continue
        try:
            removed = trim_klines(store, client, choices.klines)
            removed += trim_aged(store, client, choices)
        except KlinecastError as error:
            log.warning("retention_not_kept", reason=error.detail)
        else:
            log.info("retention_kept", removed=removed)


def trim_klines(store: Store, client: Elasticsearch, klines: int) -> int:
    """Remove klines older than the newest `klines` of their series; return how many.

    Raises:
        StoreUnavailable: the database does not answer.
        ServiceUnavailable: Elasticsearch does not answer or did not remove all.
    """
    with store.read() as connection:
        bounds = read_bounds(connection)
    removed = 0
    for series, _, newest_open_ms in bounds:
        start_ms = window_start(series, newest_open_ms, klines)
        too_old = {"range": {"open_time": {"lt": format_time(start_ms)}}}
        removed += _trim(client, KLINES, [*series_filter(series), too_old])
    return removed


def trim_aged(store: Store, client: Elasticsearch, choices: Choices) -> int:
    """Remove forecasts, signals and whole months of events that are too old.

    Returns how many documents and months. Raises as `trim_klines` does.
    """
    with store.read() as connection:
        keep_from_ms = choices.read_scope(connection, 0).keep_from_ms
    if keep_from_ms <= 0:
        return 0
    keep_from = format_time(keep_from_ms)
    too_old = {"range": {"cutoff": {"lt": keep_from}}}
    removed = sum(_trim(client, plan, [too_old]) for plan in (FORECASTS, SIGNALS))
    oldest = EVENTS.index_name(int(keep_from[:7].replace("-", "")))
    with reaching(client):
        months = sorted(client.indices.get_alias(name=EVENTS.alias))
        # The newest stays, old or not: without an index the alias would be gone.
        past = [name for name in months[:-1] if name < oldest]
        for name in past:
            client.indices.delete(index=name)
    return removed + len(past)


def _trim(client: Elasticsearch, plan: IndexPlan, filters: list[dict[str, Any]]) -> int:
    removed = 0
    while True:
        with reaching(client):
            client.indices.refresh(index=plan.alias)
            query = {"bool": {"filter": filters}}
            found = client.search(index=plan.alias, query=query, size=_PAGE, source=False)
        documents = [Document(plan.alias, hit["_id"], None) for hit in found["hits"]["hits"]]
        if not documents:
            return removed
        rejected = [outcome for outcome in Bulk(client).write(documents) if outcome is not None]
        if rejected:
            raise ServiceUnavailable(rejected[0].reason)
        removed += len(documents)
