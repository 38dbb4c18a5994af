"""The ledger's forecasts: a document a step with its truth, and one for the signal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from forecast_sink.documents import (
    Document,
    build_forecast_documents,
    build_signal_document,
)
from forecast_sink.indices import FORECASTS, SIGNALS
from forecast_sink.sources.closes import Champions, read_closes_after
from forecast_sink.sources.scope import Found, Scope, Source
from market.errors import FatalError
from market.forecast import MAX_STEPS, Forecast, forecast_id
from market.interval import Interval
from market.store import Store
from market.store import tables as t
from market.store.forecast_ledger import read_forecast
from market.store.symbols import Series, find_series

_PAGE = 200
#: Values in one list of a statement.
_SLICE = 500


def _read_with_signals(connection: Connection, keys: Sequence[str], scope: Scope) -> Found:
    return _read(connection, keys, scope, with_steps=True, with_signal=True)


def _read_steps(connection: Connection, keys: Sequence[str], scope: Scope) -> Found:
    return _read(connection, keys, scope, with_steps=True, with_signal=False)


def _read_signals(connection: Connection, keys: Sequence[str], scope: Scope) -> Found:
    return _read(connection, keys, scope, with_steps=False, with_signal=True)


def _read(
    connection: Connection,
    keys: Sequence[str],
    scope: Scope,
    *,
    with_steps: bool,
    with_signal: bool,
) -> Found:
    """Return the steps of each forecast, its signal, or both.

    A forecast that is too old to be kept has no documents.
    """
    found, by_series = _find(connection, keys, scope)
    champions = Champions(connection)
    for (symbol, interval), forecasts in by_series.items():
        series = find_series(connection, symbol, Interval.parse(interval))
        cutoffs = [forecast.cutoff_ms for _, forecast in forecasts]
        closes = read_closes_after(connection, series, cutoffs, MAX_STEPS)
        for key, forecast in forecasts:
            champion = champions.made(forecast)
            documents: list[Document] = []
            if with_steps:
                documents += build_forecast_documents(
                    forecast, scope.choice, champion=champion, closes=closes
                )
            if with_signal:
                documents.append(build_signal_document(forecast, champion=champion, closes=closes))
            found[key] = documents
    return found


def _find(
    connection: Connection, keys: Sequence[str], scope: Scope
) -> tuple[Found, dict[tuple[str, str], list[tuple[str, Forecast]]]]:
    """Return what has no documents, and the forecasts of the other keys by series."""
    found: Found = {}
    by_series: dict[tuple[str, str], list[tuple[str, Forecast]]] = defaultdict(list)
    for key in keys:
        try:
            forecast = read_forecast(connection, key)
        except (FatalError, ValueError) as error:
            found[key] = str(error)
            continue
        if forecast is None:
            found[key] = "the ledger holds no such forecast"
        elif forecast.cutoff_ms < scope.keep_from_ms:
            found[key] = []
        else:
            by_series[forecast.symbol, forecast.interval].append((key, forecast))
    return found, by_series


def read_aimed_at(
    connection: Connection, series: Series, closes: dict[int, float], scope: Scope
) -> dict[int, list[Document]]:
    """Return, by target time, the documents of all steps that aim at those closed klines.

    With the first step of a forecast comes its signal.
    """
    found: dict[int, list[Document]] = {target_ms: [] for target_ms in closes}
    champions = Champions(connection)
    for forecast in _iter_before(connection, series, closes, scope):
        champion = champions.made(forecast)
        for document, step in zip(
            build_forecast_documents(forecast, scope.choice, champion=champion, closes=closes),
            (step for step in forecast.steps if scope.choice.keeps(series.interval, step.step)),
            strict=True,
        ):
            if step.target_ms in closes:
                found[step.target_ms].append(document)
        first_ms = forecast.steps[0].target_ms
        if first_ms in closes:
            signal = build_signal_document(forecast, champion=champion, closes=closes)
            found[first_ms].append(signal)
    return found


def _iter_before(
    connection: Connection, series: Series, closes: dict[int, float], scope: Scope
) -> Iterator[Forecast]:
    """Yield each forecast of which a step or the signal aims at one of those times."""
    interval, choice = series.interval, scope.choice
    steps = [n for n in range(1, MAX_STEPS + 1) if n == 1 or choice.keeps(interval, n)]
    opens = [interval.floor(target_ms) for target_ms in closes]
    cutoffs = {interval.add(open_ms, -step) for open_ms in opens for step in steps}
    wanted = sorted(cutoff for cutoff in cutoffs if cutoff >= scope.keep_from_ms)
    f = t.forecasts.c
    for start in range(0, len(wanted), _SLICE):
        query = select(f.payload).where(
            f.symbol_id == series.symbol_id,
            f.interval_id == interval.number,
            f.cutoff_ms.in_(wanted[start : start + _SLICE]),
        )
        for payload in connection.execute(query).scalars():
            yield Forecast.model_validate_json(payload)


def iter_keys(store: Store, scope: Scope) -> Iterator[list[str]]:
    """Yield the ids of the ledger's forecasts that are kept, oldest first, in pages."""
    f = t.forecasts.c
    last_id = 0
    while True:
        query = (
            select(f.id, t.symbols.c.symbol, f.interval_id, f.version, f.cutoff_ms)
            .join(t.symbols, t.symbols.c.id == f.symbol_id)
            .where(f.id > last_id, f.cutoff_ms >= scope.keep_from_ms)
            .order_by(f.id)
            .limit(_PAGE)
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


FORECAST_SOURCE = Source(FORECASTS, _read_steps, iter_keys, spread=_read_with_signals)
SIGNAL_SOURCE = Source(SIGNALS, _read_signals, iter_keys)
