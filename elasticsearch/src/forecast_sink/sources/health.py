"""Health: how fresh each series is, and how each service does by what it left in the store.

A key is `series|SYMBOL|INTERVAL` or `service|NAME`. The document is rewritten on every look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from forecast_sink.documents import Document
from forecast_sink.indices import HEALTH
from forecast_sink.sources.scope import Found, Scope, Source
from market.errors import FatalError
from market.interval import MINUTE_MS, Interval
from market.store import Store
from market.store import tables as t
from market.store.klines import read_newest_open
from market.store.symbols import Series, find_series, read_bounds, read_watermark
from market.times import format_time

#: A kline or a forecast may be this much later than its interval before it counts as late.
_GRACE_MS = 5 * MINUTE_MS
_DAY_MS = 24 * 60 * MINUTE_MS
_SERVICES = ("populator", "models", "sink")


def series_key(series: Series) -> str:
    """Return the key of a series' health."""
    return f"series|{series.symbol}|{series.interval.value}"


def _read_documents(connection: Connection, keys: Sequence[str], scope: Scope) -> Found:
    found: Found = {}
    for key in keys:
        kind, _, rest = key.partition("|")
        try:
            if kind == "series":
                symbol, _, interval = rest.partition("|")
                series = find_series(connection, symbol, Interval.parse(interval))
                body = _series(connection, series, scope.now_ms)
            elif kind == "service" and rest in _SERVICES:
                body = _service(connection, rest, scope.now_ms)
            else:
                found[key] = "this names neither a series nor a service"
                continue
        except (FatalError, ValueError) as error:
            found[key] = str(error)
            continue
        body |= {"scope": kind, "checked_at": format_time(scope.now_ms)}
        found[key] = [Document(HEALTH.alias, key, body)]
    return found


def _series(connection: Connection, series: Series, now_ms: int) -> dict[str, Any]:
    interval = series.interval
    newest_open = read_newest_open(connection, series)
    body: dict[str, Any] = {
        "symbol": series.symbol,
        "interval": interval.value,
        "service": "populator",
        "open_gaps": _count_open_gaps(connection, series),
    }
    is_late = newest_open is None
    if newest_open is not None:
        newest_ms = interval.close_of(interval.floor(newest_open))
        lag_ms = max(now_ms - newest_ms, 0)
        is_late = lag_ms > interval.typical_ms + _GRACE_MS
        body |= {"newest_kline": format_time(newest_ms), "kline_lag": lag_ms / 1000}
    watermark = read_watermark(connection, series)
    if watermark is not None:
        body["watermark"] = format_time(watermark)
    f = t.forecasts.c
    newest = select(func.max(f.cutoff_ms)).where(
        f.symbol_id == series.symbol_id, f.interval_id == interval.number
    )
    cutoff_ms = connection.execute(newest).scalar_one()
    if cutoff_ms is not None:
        closed_ms = interval.close_of(cutoff_ms)
        body |= {
            "newest_forecast": format_time(closed_ms),
            "forecast_lag": max(now_ms - closed_ms, 0) / 1000,
        }
    return {**body, "is_late": int(is_late), "state": "late" if is_late else "ok"}


def _count_open_gaps(connection: Connection, series: Series) -> int:
    g = t.gaps.c
    query = select(func.count()).where(
        g.symbol_id == series.symbol_id,
        g.interval_id == series.interval.number,
        g.cause == "repairable",
        g.resolved_ms.is_(None),
    )
    return int(connection.execute(query).scalar_one())


def _service(connection: Connection, name: str, now_ms: int) -> dict[str, Any]:
    if name == "sink":
        waiting, oldest_ms, dead = _measure_outbox(connection)
        lag_s = 0.0 if oldest_ms is None else max(now_ms - oldest_ms, 0) / 1000
        body: dict[str, Any] = {"waiting": waiting, "dead_letters": dead, "outbox_lag": lag_s}
        is_late = dead > 0
        detail = f"{waiting} announcements wait, {dead} dead letters"
    elif name == "models":
        running, failed = _count_jobs(connection, now_ms)
        body = {"running_jobs": running, "failed_jobs": failed}
        is_late = failed > 0
        detail = f"{running} jobs run or wait, {failed} failed in the last 24 hours"
    else:
        newest = connection.execute(select(func.max(t.ingest_batches.c.fetched_at_ms))).scalar_one()
        body, is_late = {}, newest is None
        detail = f"newest batch fetched at {format_time(newest)}" if newest else "no batch yet"
    state = "attention" if is_late else "ok"
    return {**body, "service": name, "detail": detail, "is_late": int(is_late), "state": state}


def _measure_outbox(connection: Connection) -> tuple[int, int | None, int]:
    """Return how many wait, since when, and how many are dead, this look at health aside."""
    o = t.outbox.c
    others = select(func.count(), func.min(o.changed_at_ms)).where(o.index != HEALTH.name)
    waiting, oldest_ms = connection.execute(others).one()
    dead = connection.execute(select(func.count()).select_from(t.dead_letters)).scalar_one()
    return int(waiting), oldest_ms, int(dead)


def _count_jobs(connection: Connection, now_ms: int) -> tuple[int, int]:
    """Return how many jobs run or wait, and how many failed in the last day."""
    j = t.jobs.c
    active = select(func.count()).where(j.state.in_(("queued", "running")))
    failed = select(func.count()).where(j.state == "failed", j.changed_ms >= now_ms - _DAY_MS)
    return tuple(int(connection.execute(query).scalar_one()) for query in (active, failed))  # type: ignore[return-value]  # two of them


def read_keys(connection: Connection) -> list[str]:
    """Return the keys of all series and services."""
    series = [series_key(one.series) for one in read_bounds(connection)]
    return [*series, *(f"service|{name}" for name in _SERVICES)]


def _iter_keys(store: Store, scope: Scope) -> Iterator[list[str]]:
    with store.read() as connection:
        yield read_keys(connection)


HEALTH_SOURCE = Source(HEALTH, _read_documents, _iter_keys)
