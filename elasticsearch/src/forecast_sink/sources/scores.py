"""Scores: of every day as the truth came in, and of the models' evaluations.

A key `SYMBOL|INTERVAL|DAY_MS` names a day, `SYMBOL|INTERVAL|VERSION|STEP|KIND` a score card.
A day's forecasts are those whose kline closed on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from forecast_sink.documents import Document
from forecast_sink.indices import SCORES
from forecast_sink.sources.closes import read_closes
from forecast_sink.sources.scope import Found, Scope, Source
from forecast_sink.truth import Judged, band_width, judge_step, score_day
from market.errors import FatalError
from market.forecast import MAX_STEPS, Forecast, ScoreCard
from market.interval import DAY_MS, Interval
from market.store import Store
from market.store import tables as t
from market.store.ledger_extents import read_ledger_extents
from market.store.symbols import Series, find_series
from market.times import format_time

_PAGE = 500
#: Klines up to the end of the day whose mean change `mase` is told by.
_SCALE_KLINES = 100
_CARD_FIELDS = tuple(
    name for name in ScoreCard.model_fields if name in SCORES.properties and name != "kind"
)

_Group = tuple[str, str, int]  # model, version, step


def day_key(series: Series, day_ms: int) -> str:
    """Return the key of a day's scores; `day_ms` is its midnight."""
    return f"{series.symbol}|{series.interval.value}|{day_ms}"


def card_key(symbol: str, interval: str, version: str, step: int, kind: str) -> str:
    """Return the key of a score card."""
    return f"{symbol}|{interval}|{version}|{step}|{kind}"


def _read_documents(connection: Connection, keys: Sequence[str], scope: Scope) -> Found:
    found: Found = {}
    for key in keys:
        parts = key.split("|")
        try:
            if len(parts) == 3:
                series = find_series(connection, parts[0], Interval.parse(parts[1]))
                found[key] = _day(connection, series, int(parts[2]), scope)
            elif len(parts) == 5:
                found[key] = _card(connection, key, parts)
            else:
                found[key] = "this names neither a day nor a score card"
        except (FatalError, ValueError) as error:
            found[key] = str(error)
    return found


def _day(connection: Connection, series: Series, day_ms: int, scope: Scope) -> list[Document]:
    interval = series.interval
    first_ms = interval.add(interval.floor(day_ms), -_SCALE_KLINES)
    closes = read_closes(connection, series, first_ms, day_ms + DAY_MS)
    prices = [price for target_ms, price in sorted(closes.items()) if target_ms < day_ms + DAY_MS]
    recent = prices[-_SCALE_KLINES - 1 :]
    changes = [abs(after - before) for before, after in zip(recent, recent[1:], strict=False)]
    scale = sum(changes) / len(changes) if changes else 0.0
    groups = _judge_day(connection, series, day_ms, closes, scope)
    return [
        Document(
            SCORES.alias,
            f"{series.symbol}|{interval.value}|{version}|{step}|{day_ms}",
            {
                "symbol": series.symbol,
                "interval": interval.value,
                "model": model,
                "version": version,
                "step": step,
                "kind": "daily",
                "day": format_time(day_ms),
                **score_day(judged, scale),
            },
        )
        for (model, version, step), judged in sorted(groups.items())
    ]


def _judge_day(
    connection: Connection, series: Series, day_ms: int, closes: dict[int, float], scope: Scope
) -> dict[_Group, list[Judged]]:
    interval = series.interval
    oldest_ms = interval.add(interval.floor(day_ms), -MAX_STEPS)
    f = t.forecasts.c
    query = select(f.payload).where(
        f.symbol_id == series.symbol_id,
        f.interval_id == interval.number,
        f.cutoff_ms >= oldest_ms,
        f.cutoff_ms < day_ms + DAY_MS,
    )
    groups: dict[_Group, list[Judged]] = defaultdict(list)
    for payload in connection.execute(query).scalars():
        forecast = Forecast.model_validate_json(payload)
        for step in forecast.steps:
            actual = closes.get(step.target_ms)
            is_due = day_ms <= step.target_ms < day_ms + DAY_MS
            if is_due and actual is not None and scope.choice.keeps(interval, step.step):
                fields = judge_step(step, forecast.last_close, actual)
                group = (forecast.model, forecast.version, step.step)
                groups[group].append(Judged(fields, band_width(step)))
    return groups


def _card(connection: Connection, key: str, parts: Sequence[str]) -> list[Document]:
    symbol, interval, version, step, kind = parts
    series = find_series(connection, symbol, Interval.parse(interval))
    c = t.score_cards.c
    query = select(c.card).where(
        c.symbol_id == series.symbol_id,
        c.interval_id == series.interval.number,
        c.version == version,
        c.step == int(step),
        c.kind == kind,
    )
    text = connection.execute(query).scalar_one_or_none()
    if text is None:
        return [Document(SCORES.alias, key, None)]
    card = ScoreCard.model_validate_json(text)
    values: dict[str, Any] = {name: getattr(card, name) for name in _CARD_FIELDS}
    body = {**values, "kind": card.kind, "day": format_time(card.to_ms)}
    return [Document(SCORES.alias, key, body)]


def iter_days(store: Store, since_ms: int, now_ms: int) -> Iterator[list[str]]:
    """Yield the keys of each series' days from that of `since_ms` on, newest series last."""
    with store.read() as connection:
        extents = read_ledger_extents(connection)
    for extent in extents:
        series = extent.series
        f = t.forecasts.c
        first = (
            select(f.cutoff_ms)
            .where(f.symbol_id == series.symbol_id, f.interval_id == series.interval.number)
            .order_by(f.cutoff_ms)
            .limit(1)
        )
        with store.read() as connection:
            first_ms = connection.execute(first).scalar_one()
        newest_ms = series.interval.add(extent.newest_cutoff_ms, MAX_STEPS + 1)
        start_ms = max(first_ms, since_ms) // DAY_MS * DAY_MS
        days = range(start_ms, min(newest_ms, now_ms) + 1, DAY_MS)
        for start in range(0, len(days), _PAGE):
            yield [day_key(series, day_ms) for day_ms in days[start : start + _PAGE]]


def read_card_keys(connection: Connection) -> dict[str, int]:
    """Return the key of every score card, with the end of the span it speaks of (ms)."""
    c = t.score_cards.c
    query = select(t.symbols.c.symbol, c.interval_id, c.version, c.step, c.kind, c.to_ms).join(
        t.symbols, t.symbols.c.id == c.symbol_id
    )
    return {
        card_key(symbol, Interval.from_number(number).value, version, step, kind): to_ms
        for symbol, number, version, step, kind, to_ms in connection.execute(query)
    }


def _iter_keys(store: Store, scope: Scope) -> Iterator[list[str]]:
    yield from iter_days(store, scope.keep_from_ms, scope.now_ms)
    with store.read() as connection:
        cards = list(read_card_keys(connection))
    for start in range(0, len(cards), _PAGE):
        yield cards[start : start + _PAGE]


SCORE_SOURCE = Source(SCORES, _read_documents, _iter_keys)
