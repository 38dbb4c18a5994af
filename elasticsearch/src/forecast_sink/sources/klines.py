"""The newest klines; with a closed kline comes the truth of the forecasts that aimed at it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from forecast_sink.documents import (
    Document,
    build_kline_document,
    build_kline_removal,
    group_runs,
)
from forecast_sink.indices import KLINES
from forecast_sink.sources.closes import WIDEST_HOLE
from forecast_sink.sources.forecasts import read_aimed_at
from forecast_sink.sources.scope import Found, Scope, Source
from forecast_sink.window import window_start
from market.errors import FatalError
from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store import tables as t
from market.store.klines import read_klines
from market.store.outbox import kline_key, parse_kline_key
from market.store.symbols import Series, find_series, read_bounds

_PAGE = 2000


def _read_with_truth(connection: Connection, keys: Sequence[str], scope: Scope) -> Found:
    """Return each kline with the forecast steps that aimed at it."""
    return _read(connection, keys, scope, with_truth=True)


def _read_own(connection: Connection, keys: Sequence[str], scope: Scope) -> Found:
    """Return each kline; one that the store no longer holds becomes a removal."""
    return _read(connection, keys, scope, with_truth=False)


def _read(connection: Connection, keys: Sequence[str], scope: Scope, *, with_truth: bool) -> Found:
    found: Found = {}
    by_series: dict[tuple[str, Interval], list[tuple[int, str]]] = defaultdict(list)
    for key in keys:
        try:
            symbol, interval, open_ms = parse_kline_key(key)
            by_series[symbol, interval].append((open_ms, key))
        except (FatalError, ValueError) as error:
            found[key] = str(error)
    for (symbol, interval), wanted in by_series.items():
        try:
            series = find_series(connection, symbol, interval)
        except FatalError as error:
            found |= {key: str(error) for _, key in wanted}
            continue
        klines = _find_klines(connection, series, [open_ms for open_ms, _ in wanted])
        aimed = _aimed_at(connection, series, klines, scope) if with_truth else {}
        for open_ms, key in wanted:
            kline = klines.get(open_ms)
            if kline is None:
                found[key] = [build_kline_removal(symbol, interval, open_ms)]
            else:
                own = build_kline_document(symbol, interval, kline)
                found[key] = [own, *aimed.get(open_ms, [])]
    return found


def _find_klines(connection: Connection, series: Series, opens: Sequence[int]) -> dict[int, Kline]:
    wanted, found = set(opens), dict[int, Kline]()
    for start_ms, end_ms in group_runs(opens, WIDEST_HOLE * series.interval.typical_ms):
        most = WIDEST_HOLE * len(opens)
        for kline in read_klines(connection, series, start_ms, end_ms, most):
            if kline.open_time_ms in wanted:
                found[kline.open_time_ms] = kline
    return found


def _aimed_at(
    connection: Connection, series: Series, klines: dict[int, Kline], scope: Scope
) -> dict[int, list[Document]]:
    interval = series.interval
    targets = {open_ms: interval.close_of(interval.floor(open_ms)) for open_ms in klines}
    closes = {targets[open_ms]: float(kline.close) for open_ms, kline in klines.items()}
    documents = read_aimed_at(connection, series, closes, scope)
    return {open_ms: documents[target_ms] for open_ms, target_ms in targets.items()}


def _iter_keys(store: Store, scope: Scope) -> Iterator[list[str]]:
    """Yield the keys of the newest klines of each series, in pages."""
    k = t.klines.c
    with store.read() as connection:
        bounds = read_bounds(connection)
    for series, _, newest_open_ms in bounds:
        start_ms = window_start(series, newest_open_ms, scope.klines)
        while True:
            query = (
                select(k.open_time_ms)
                .where(
                    k.symbol_id == series.symbol_id,
                    k.interval_id == series.interval.number,
                    k.open_time_ms >= start_ms,
                )
                .order_by(k.open_time_ms)
                .limit(_PAGE)
            )
            with store.read() as connection:
                opens = list(connection.execute(query).scalars())
            if not opens:
                break
            yield [kline_key(series, open_ms) for open_ms in opens]
            start_ms = opens[-1] + 1


KLINE_SOURCE = Source(KLINES, _read_own, _iter_keys, spread=_read_with_truth)
