"""Events: what happened, from the tables that are only ever added to.

A key is `KIND|ID`: gaps seen and resolved, champions, ended jobs, replaced klines, and symbols
whose status changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Row, Select, Table, func, select

from forecast_sink.documents import Document
from forecast_sink.indices import EVENTS
from forecast_sink.sources.scope import Found, Scope, Source
from market.interval import Interval
from market.store import Store
from market.store import tables as t
from market.store.jobs import ENDED
from market.times import format_time

_PAGE = 500


class Kind(NamedTuple):
    """One kind of event: its table, the column that tells when, the service that did it."""

    table: Table
    time: str
    service: str


KINDS = {
    "gap-seen": Kind(t.gaps, "first_seen_ms", "populator"),
    "gap-resolved": Kind(t.gaps, "resolved_ms", "populator"),
    "kline-replaced": Kind(t.kline_revisions, "replaced_at_ms", "populator"),
    "symbol-state": Kind(t.symbol_states, "since_ms", "populator"),
    "champion": Kind(t.champions, "since_ms", "models"),
    "job-ended": Kind(t.jobs, "changed_ms", "models"),
}


def read_keys_since(
    connection: Connection, kind: str, since_ms: int, after: object, limit: int
) -> list[str]:
    """Return keys of events of a kind at or after a time, by id from behind `after` (None: all)."""
    table, time = KINDS[kind].table, KINDS[kind].table.c[KINDS[kind].time]
    query = select(table.c.id).where(time >= since_ms).order_by(table.c.id).limit(limit)
    if kind == "job-ended":
        query = query.where(t.jobs.c.state.in_(ENDED))
    if after is not None:
        query = query.where(table.c.id > after)
    return [f"{kind}|{identity}" for identity in connection.execute(query).scalars()]


def _read_documents(connection: Connection, keys: Sequence[str], scope: Scope) -> Found:
    found: Found = {}
    for key in keys:
        kind, _, text = key.partition("|")
        if kind not in KINDS or not text:
            found[key] = "this names no event"
            continue
        identity: object = text if kind == "job-ended" else int(text)
        row = connection.execute(_query(kind, identity)).one_or_none()
        if row is None:
            found[key] = "the store holds no such event"
        elif getattr(row, KINDS[kind].time) is None or _time(kind, row) < scope.keep_from_ms:
            found[key] = []
        else:
            found[key] = [_document(kind, key, row)]
    return found


def _query(kind: str, identity: object) -> Select[Any]:
    table = KINDS[kind].table
    columns: list[Column[Any]] = [*table.c]
    if kind == "job-ended":
        return select(*columns).where(table.c.id == identity)
    join = table.join(t.symbols, t.symbols.c.id == table.c.symbol_id)
    return select(*columns, t.symbols.c.symbol).select_from(join).where(table.c.id == identity)


def _time(kind: str, row: Row[Any]) -> int:
    return int(getattr(row, KINDS[kind].time))


def _document(kind: str, key: str, row: Row[Any]) -> Document:
    time_ms = _time(kind, row)
    body: dict[str, Any] = {
        "time": format_time(time_ms),
        "service": KINDS[kind].service,
        "event": kind,
        "level": "info",
    }
    values = row._mapping
    if "symbol" in values:
        body["symbol"] = values["symbol"]
    if "interval_id" in values:
        body["interval"] = Interval.from_number(values["interval_id"]).value
    body |= _say(kind, values)
    month = format_time(time_ms)[:7].replace("-", "")
    return Document(EVENTS.alias, key, body, int(month))


def _say(kind: str, values: Any) -> dict[str, Any]:
    if kind in ("gap-seen", "gap-resolved"):
        span = f"{format_time(values['start_ms'])} to {format_time(values['end_ms'])}"
        is_open = kind == "gap-seen" and values["cause"] == "repairable"
        said = "klines missing" if kind == "gap-seen" else "no longer missing"
        return {
            "level": "warning" if is_open else "info",
            "message": f"{said} from {span} ({values['cause']})",
        }
    if kind == "kline-replaced":
        return {"message": f"the kline of {format_time(values['open_time_ms'])} was replaced"}
    if kind == "symbol-state":
        return {"message": f"the exchange's status is {values['status']}"}
    if kind == "champion":
        message = f"{values['version']} is served from now on: {values['reason']}"
        return {"model": values["model"], "version": values["version"], "message": message}
    failed = values["state"] == "failed"
    message = f"{values['kind']} {values['id']} {values['state']}"
    if values["error"]:
        message += f": {values['error']}"
    return {"level": "error" if failed else "info", "message": message}


def iter_keys_since(store: Store, kind: str, since_ms: int) -> Iterator[list[str]]:
    """Yield the keys of a kind's events at or after a time, in pages."""
    after: object = None
    while True:
        with store.read() as connection:
            keys = read_keys_since(connection, kind, since_ms, after, _PAGE)
        if not keys:
            return
        yield keys
        last = keys[-1].partition("|")[2]
        after = last if kind == "job-ended" else int(last)


def read_newest_ms(store: Store, kind: str) -> int:
    """Return when the newest event of a kind happened, 0 where there is none."""
    with store.read() as connection:
        query = select(func.max(KINDS[kind].table.c[KINDS[kind].time]))
        return int(connection.execute(query).scalar_one() or 0)


def _iter_keys(store: Store, scope: Scope) -> Iterator[list[str]]:
    for kind in KINDS:
        yield from iter_keys_since(store, kind, scope.keep_from_ms)


EVENT_SOURCE = Source(EVENTS, _read_documents, _iter_keys)
