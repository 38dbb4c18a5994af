"""The forecast ledger: append-only, one row a forecast, hash-chained per model.

A row's hash covers its payload and the hash before it, so that a changed or removed
forecast breaks the chain. A forecast is written here before it is served.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, select
from sqlalchemy.exc import IntegrityError

from market.errors import Conflict, InvalidParameter
from market.forecast import Forecast
from market.interval import Interval
from market.store import tables as t
from market.store.engine import Store
from market.store.outbox import announce
from market.store.symbols import Series, find_series

#: The `previous_hash` of a chain's first row.
GENESIS = "0" * 64
_ATTEMPTS = 30
_LONGEST_PAUSE_S = 0.2


class BrokenLink(NamedTuple):
    """A ledger row whose hash does not follow from its payload and its predecessor."""

    row_id: int
    forecast_id: str
    reason: str


def append_forecast(store: Store, forecast: Forecast) -> Forecast:
    """Append a forecast and announce it; return it, or the one already stored for its id.

    Raises:
        NotFound: the store does not know the symbol.
        Conflict: other writers kept extending the chain first.
    """
    interval = Interval.parse(forecast.interval)

    def work(connection: Connection) -> Forecast:
        series = find_series(connection, forecast.symbol, interval)
        stored = find_forecast(connection, series, forecast.version, forecast.cutoff_ms)
        if stored is None:
            _append(connection, series, forecast)
        return stored or forecast

    for attempt in range(_ATTEMPTS):
        try:
            return store.transact(work)
        except IntegrityError:
            # Another writer took this place in the chain, or wrote this forecast.
            time.sleep(random.uniform(0, min(0.005 * 2**attempt, _LONGEST_PAUSE_S)))
    raise Conflict(
        f"forecast {forecast.forecast_id} could not be appended:"
        f" other writers came first {_ATTEMPTS} times"
    )


def chain_hash(previous_hash: str, payload: str) -> str:
    """Return the SHA-256, in hex, that links a payload to the hash before it."""
    return hashlib.sha256(f"{previous_hash}\n{payload}".encode()).hexdigest()


def _append(connection: Connection, series: Series, forecast: Forecast) -> None:
    f = t.forecasts.c
    newest = (
        select(f.hash).where(_of(series), f.model == forecast.model).order_by(f.id.desc()).limit(1)
    )
    previous_hash = connection.execute(newest).scalar_one_or_none() or GENESIS
    payload = forecast.model_dump_json()
    connection.execute(
        t.forecasts.insert().values(
            symbol_id=series.symbol_id,
            interval_id=series.interval.number,
            model=forecast.model,
            version=forecast.version,
            cutoff_ms=forecast.cutoff_ms,
            made_at_ms=forecast.made_at_ms,
            payload=payload,
            previous_hash=previous_hash,
            hash=chain_hash(previous_hash, payload),
        )
    )
    announce(connection, "forecasts", [forecast.forecast_id], forecast.made_at_ms)


def find_forecast(
    connection: Connection, series: Series, version: str, cutoff_ms: int
) -> Forecast | None:
    """Return the one forecast of that artefact from that cutoff, if there is one."""
    f = t.forecasts.c
    query = select(f.payload).where(_of(series), f.version == version, f.cutoff_ms == cutoff_ms)
    payload = connection.execute(query).scalar_one_or_none()
    return None if payload is None else Forecast.model_validate_json(payload)


def read_forecast(connection: Connection, identity: str) -> Forecast | None:
    """Return the forecast of that `forecast_id`, if there is one.

    Raises:
        InvalidParameter: the text is not the id of a forecast.
        NotFound: the store does not know the symbol.
    """
    parts = identity.split("|")
    if len(parts) != 4 or not parts[3].isdecimal():
        raise InvalidParameter("forecast_id", identity, "SYMBOL|INTERVAL|VERSION|CUTOFF_MS")
    series = find_series(connection, parts[0], Interval.parse(parts[1]))
    return find_forecast(connection, series, parts[2], int(parts[3]))


def read_forecasts(  # noqa: PLR0913  each a filter of its own
    connection: Connection,
    series: Series,
    *,
    model: str | None = None,
    cutoff_ms: int | None = None,
    before_ms: int | None = None,
    limit: int = 1,
    models: Collection[str] | None = None,
    from_ms: int | None = None,
) -> list[Forecast]:
    """Return forecasts of a series, newest cutoff first.

    `from_ms` and `before_ms` keep cutoffs in [from_ms, before_ms); the latter is also the
    cursor of the next page. `model` keeps one model's, `models` several ones'.
    """
    f = t.forecasts.c
    query = select(f.payload).where(_of(series))
    if model is not None:
        query = query.where(f.model == model)
    if models is not None:
        query = query.where(f.model.in_(sorted(models)))
    if cutoff_ms is not None:
        query = query.where(f.cutoff_ms == cutoff_ms)
    if from_ms is not None:
        query = query.where(f.cutoff_ms >= from_ms)
    if before_ms is not None:
        query = query.where(f.cutoff_ms < before_ms)
    query = query.order_by(f.cutoff_ms.desc(), f.id.desc()).limit(limit)
    return [Forecast.model_validate_json(p) for p in connection.execute(query).scalars()]


def verify_chain(connection: Connection, series: Series, model: str) -> list[BrokenLink]:
    """Return every row of a chain whose hash does not hold; empty for an honest ledger.

    Rows removed from the end leave no trace in the chain itself.
    """
    f = t.forecasts.c
    query = (
        select(f.id, f.payload, f.previous_hash, f.hash)
        .where(_of(series), f.model == model)
        .order_by(f.id)
    )
    broken: list[BrokenLink] = []
    expected = GENESIS
    for row_id, payload, previous_hash, found in connection.execute(query):
        if previous_hash != expected:
            broken.append(BrokenLink(row_id, _id_of(payload), "its predecessor is another row"))
        elif chain_hash(previous_hash, payload) != found:
            broken.append(BrokenLink(row_id, _id_of(payload), "its payload was changed"))
        expected = found
    return broken


def _id_of(payload: str) -> str:
    return Forecast.model_validate_json(payload).forecast_id


def _of(series: Series) -> Any:
    f = t.forecasts.c
    return and_(f.symbol_id == series.symbol_id, f.interval_id == series.interval.number)
