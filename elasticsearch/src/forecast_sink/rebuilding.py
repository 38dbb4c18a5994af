"""Making an index anew from the store, never from Elasticsearch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from elasticsearch import Elasticsearch
from sqlalchemy import select

from forecast_sink.cluster import reaching
from forecast_sink.indices import FORECASTS, KLINES, IndexPlan
from forecast_sink.installation import create_index, install_indices
from forecast_sink.window import window_start
from market.errors import InvalidParameter
from market.forecast import forecast_id
from market.interval import Interval
from market.store import Store
from market.store import tables as t
from market.store.outbox import announce, kline_key
from market.store.symbols import read_bounds

_PAGE = 2000


def rebuild_index(
    store: Store, client: Elasticsearch, index: str, *, klines: int, now_ms: int
) -> tuple[str, int]:
    """Put an empty index behind the alias and announce all documents that belong there.

    Returns the new index' name and the number of announcements, made at `now_ms`. Of each
    series the newest `klines` klines are announced.

    Raises:
        InvalidParameter: there is no such index.
        ServiceUnavailable: Elasticsearch does not answer; run it again.
    """
    sources: dict[str, tuple[IndexPlan, Callable[[], Iterator[list[str]]]]] = {
        "forecasts": (FORECASTS, lambda: forecast_keys(store, _PAGE)),
        "klines": (KLINES, lambda: _kline_keys(store, klines)),
    }
    if index not in sources:
        raise InvalidParameter("index", index, " or ".join(sources))
    plan, keys = sources[index]
    install_indices(client)
    with reaching(client):
        name = _swap(client, plan)
    announced = 0
    for page in keys():
        with store.begin() as connection:
            announce(connection, index, page, now_ms)
        announced += len(page)
    return name, announced


def _swap(client: Elasticsearch, plan: IndexPlan) -> str:
    old = sorted(client.indices.get_alias(name=plan.alias))
    number = int(old[-1].rpartition("-")[2]) + 1
    if client.indices.exists(index=plan.index_name(number)):  # of a run that was cut short
        client.indices.delete(index=plan.index_name(number))
    name = create_index(client, plan, number, write_alias=False)
    actions: list[dict[str, dict[str, object]]] = [
        {"remove_index": {"index": index}} for index in old
    ]
    actions.append({"add": {"index": name, "alias": plan.alias, "is_write_index": True}})
    client.indices.update_aliases(actions=actions)
    return name


def forecast_keys(store: Store, page: int) -> Iterator[list[str]]:
    """Yield the ids of all forecasts in the ledger, oldest first, in pages."""
    f = t.forecasts.c
    last_id = 0
    while True:
        query = (
            select(f.id, t.symbols.c.symbol, f.interval_id, f.version, f.cutoff_ms)
            .join(t.symbols, t.symbols.c.id == f.symbol_id)
            .where(f.id > last_id)
            .order_by(f.id)
            .limit(page)
        )
        with store.read() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        yield [
            forecast_id(symbol, Interval.from_number(number).value, version, cutoff_ms)
            for _, symbol, number, version, cutoff_ms in rows
        ]
        last_id = rows[-1][0]


def _kline_keys(store: Store, klines: int) -> Iterator[list[str]]:
    k = t.klines.c
    with store.read() as connection:
        bounds = read_bounds(connection)
    for series, _, newest_open_ms in bounds:
        start_ms = window_start(series, newest_open_ms, klines)
        query = select(k.open_time_ms).where(
            k.symbol_id == series.symbol_id,
            k.interval_id == series.interval.number,
            k.open_time_ms >= start_ms,
        )
        with store.read() as connection:
            opens = list(connection.execute(query).scalars())
        for start in range(0, len(opens), _PAGE):
            yield [kline_key(series, open_ms) for open_ms in opens[start : start + _PAGE]]
