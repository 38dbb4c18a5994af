"""The rolling window of klines: the index holds the newest of each series, the store all."""

from __future__ import annotations

import threading
from typing import Any

from elasticsearch import Elasticsearch

from forecast_sink.bulk import Bulk
from forecast_sink.cluster import reaching
from forecast_sink.documents import Document
from forecast_sink.indices import KLINES
from market.errors import KlinecastError, ServiceUnavailable
from market.interval import Interval
from market.log import get_logger
from market.store import Store
from market.store.leases import KeptLease
from market.store.symbols import Series, read_bounds
from market.times import format_time

log = get_logger()

_EVERY_S = 600.0
_PAGE = 1000


def keep_window(
    store: Store, client: Elasticsearch, klines: int, lease: KeptLease, stop: threading.Event
) -> None:
    """Remove what has left the window every ten minutes, while the lease is held, until `stop`."""
    while not stop.wait(_EVERY_S):
        if not lease.is_held:
            continue
        try:
            removed = trim_klines(store, client, klines)
        except KlinecastError as error:
            log.warning("window_not_kept", reason=error.detail)
        else:
            log.info("window_kept", removed=removed)


def trim_klines(store: Store, client: Elasticsearch, klines: int) -> int:
    """Remove klines older than the newest `klines` of their series; return how many.

    Raises:
        StoreUnavailable: the database does not answer.
        ServiceUnavailable: Elasticsearch does not answer or did not remove all.
    """
    with store.read() as connection:
        bounds = read_bounds(connection)
    return sum(
        _trim_series(client, one.series, window_start(one.series, one.newest_open_ms, klines))
        for one in bounds
    )


def window_start(series: Series, newest_open_ms: int, klines: int) -> int:
    """Return the open time of the oldest kline in the window."""
    interval: Interval = series.interval
    newest_ms = interval.floor(newest_open_ms)
    return max(interval.add(newest_ms, -min(klines - 1, interval.count(0, newest_ms))), 0)


def series_filter(series: Series) -> list[dict[str, Any]]:
    """Return the clauses of a query that only a series' documents meet."""
    return [
        {"term": {"symbol": series.symbol}},
        {"term": {"interval": series.interval.value}},
    ]


def _trim_series(client: Elasticsearch, series: Series, start_ms: int) -> int:
    too_old = {"range": {"open_time": {"lt": format_time(start_ms)}}}
    query = {"bool": {"filter": [*series_filter(series), too_old]}}
    removed = 0
    while True:
        with reaching(client):
            client.indices.refresh(index=KLINES.alias)
            found = client.search(index=KLINES.alias, query=query, size=_PAGE, source=False)
        documents = [Document(KLINES.alias, hit["_id"], None) for hit in found["hits"]["hits"]]
        if not documents:
            return removed
        rejected = [outcome for outcome in Bulk(client).write(documents) if outcome is not None]
        if rejected:
            raise ServiceUnavailable(rejected[0].reason)
        removed += len(documents)
