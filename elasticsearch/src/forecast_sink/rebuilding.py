"""Making an index anew from the store, never from Elasticsearch.

The new index is behind the alias from the start: what the relay delivers goes into it, while
readers see the old one. The store's rows are added where the relay has not written them yet,
and then the new index takes the old one's place in one step. Cut short, it goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from elasticsearch import Elasticsearch
from sqlalchemy import Connection

from forecast_sink.bulk import Bulk
from forecast_sink.cluster import reaching
from forecast_sink.documents import Document
from forecast_sink.indices import PLANS, IndexPlan
from forecast_sink.installation import (
    OUTDATED,
    attach_pending,
    create_index,
    index_version,
    install_indices,
    pending_index,
    swap_in,
)
from forecast_sink.patience import Patience
from forecast_sink.sources.registry import SOURCES
from forecast_sink.sources.scope import Choices, Scope
from market.errors import InvalidParameter, ServiceUnavailable
from market.log import get_logger
from market.store import Store
from market.store.outbox import announce

log = get_logger()

_PATIENCE_S = 120.0
#: Documents that wait to be sent, and keys read at a time: what bounds the memory. A key of a
#: forecast is fifty documents.
_MOST = 2000
_KEYS = 25


def rebuild_index(
    store: Store, client: Elasticsearch, index: str, choices: Choices, now_ms: int
) -> tuple[str, int]:
    """Make an index anew and fill it from the store.

    Returns the alias' new index and the number of documents that the store called for. A
    document that Elasticsearch refuses is announced, so that the relay tells why.

    Raises:
        InvalidParameter: there is no such index.
        ServiceUnavailable: Elasticsearch does not answer, or not for long; run it again.
    """
    if index not in SOURCES:
        raise InvalidParameter("index", index, " or ".join(SOURCES))
    install_indices(client)
    return _rebuild(store, client, index, choices, now_ms)


def migrate_indices(
    done: dict[str, str],
    open_store: Callable[[], Store],
    client: Elasticsearch,
    choices: Choices,
    read_now_ms: Callable[[], int],
) -> dict[str, str]:
    """Make every index anew that `install_indices` called outdated; return what was done.

    Store and clock are asked only where one is.
    """
    outdated = [plan for plan in PLANS if done[f"index {plan.alias}"] == OUTDATED]
    if not outdated:
        return done
    store, now_ms = open_store(), read_now_ms()
    rebuilt = {}
    for plan in outdated:
        name, documents = _rebuild(store, client, plan.name, choices, now_ms)
        rebuilt[f"index {plan.alias}"] = f"made anew as {name} with {documents} documents"
    return done | rebuilt


def _rebuild(
    store: Store, client: Elasticsearch, index: str, choices: Choices, now_ms: int
) -> tuple[str, int]:
    source = SOURCES[index]
    plan = source.plan
    with store.read() as connection:
        scope = choices.read_scope(connection, now_ms)
    with reaching(client):
        name = _start_over(client, plan) if plan.monthly else _prepare(client, plan)
    filling = _Filling(store, client, index, scope)
    for keys in source.iter_keys(store, scope):
        filling.add(keys)
    filling.flush()
    if not plan.monthly:
        with reaching(client):
            client.indices.put_settings(index=name, settings={"index.refresh_interval": None})
            client.indices.refresh(index=name)
            swap_in(client, plan, name)
    log.info("index_rebuilt", index=name, documents=filling.documents)
    return name, filling.documents


def _prepare(client: Elasticsearch, plan: IndexPlan) -> str:
    """Return the hidden index to fill: that of a run that was cut short, or a new one."""
    pending = pending_index(client, plan)
    if pending is not None and index_version(client, plan) == plan.version:
        return pending
    behind = sorted(client.indices.get_alias(name=plan.alias))
    number = int(behind[-1].rpartition("-")[2]) + 1
    if client.indices.exists(index=plan.index_name(number)):  # made and never attached
        client.indices.delete(index=plan.index_name(number))
    name = create_index(client, plan, number, write_alias=False)
    client.indices.put_settings(index=name, settings={"index.refresh_interval": "-1"})
    attach_pending(client, plan, name, behind)
    if pending is not None:  # half filled, of an older version
        client.indices.delete(index=pending)
    return name


def _start_over(client: Elasticsearch, plan: IndexPlan) -> str:
    """Empty an index rolled by month: a month's index has only one name."""
    months = sorted(client.indices.get_alias(name=plan.alias))
    for month in months:
        client.indices.delete(index=month)
    create_index(client, plan, int(months[-1].rpartition("-")[2]), write_alias=False)
    return months[-1]


class _Filling:
    """Adds the documents of keys to an index, a bounded number at a time."""

    def __init__(self, store: Store, client: Elasticsearch, index: str, scope: Scope) -> None:
        self._store = store
        self._index = index
        self._scope = scope
        self._bulk = Bulk(client)
        self._waiting: list[tuple[str, Document]] = []
        self.documents = 0

    def add(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), _KEYS):
            self._add(keys[start : start + _KEYS])

    def _add(self, keys: Sequence[str]) -> None:
        source = SOURCES[self._index]
        with self._store.read() as connection:
            found = source.read(connection, keys, self._scope)
        for key, documents in found.items():
            if not isinstance(documents, str):  # else a row that went meanwhile, or no row
                self._waiting += [(key, one) for one in documents if one.body is not None]
        if len(self._waiting) >= _MOST:
            self.flush()

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.documents += len(waiting)
        refused: set[str] = set()
        patience = Patience(_PATIENCE_S)
        while waiting:
            waiting = patience.call(lambda left=waiting: self._write(left, refused))  # type: ignore[misc]  # bound at once
        if refused:
            keys = sorted(refused)
            self._store.transact(lambda connection: self._announce(connection, keys))

    def _write(
        self, waiting: list[tuple[str, Document]], refused: set[str]
    ) -> list[tuple[str, Document]]:
        documents = [document for _, document in waiting]
        outcomes = self._bulk.write(documents, only_absent=True)
        left = []
        reason = ""
        for pair, outcome in zip(waiting, outcomes, strict=True):
            if outcome is None:
                continue
            if outcome.may_pass:
                left.append(pair)
                reason = outcome.reason
            else:
                refused.add(pair[0])
        if len(left) == len(waiting):
            raise ServiceUnavailable(reason)
        return left

    def _announce(self, connection: Connection, keys: list[str]) -> None:
        announce(connection, self._index, keys, self._scope.now_ms)
