"""Reading what announcements speak of: the store's rows, as documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from forecast_sink.documents import (
    Document,
    StepChoice,
    build_forecast_documents,
    build_kline_document,
    build_kline_removal,
    group_runs,
)
from market.errors import FatalError
from market.forecast import Forecast
from market.interval import Interval
from market.store.champions import Champion, read_champion_history
from market.store.forecast_ledger import read_forecast
from market.store.klines import read_klines
from market.store.outbox import Announcement, parse_kline_key
from market.store.symbols import Series, find_series

#: Klines further apart than this many steps are read by queries of their own.
_WIDEST_HOLE = 20


class Letter(NamedTuple):
    """An announcement with its documents, or with the reason why it can't have any."""

    announcement: Announcement
    documents: list[Document]
    refusal: str = ""


class _Champions:
    """Which artefact was a series' champion at a time; each series is read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._histories: dict[tuple[str, str], list[Champion]] = {}

    def made(self, forecast: Forecast) -> bool:
        key = (forecast.symbol, forecast.interval)
        if key not in self._histories:
            series = find_series(self._connection, key[0], Interval.parse(key[1]))
            self._histories[key] = read_champion_history(self._connection, series)
        for champion in self._histories[key]:  # newest first
            if champion.since_ms <= forecast.made_at_ms:
                return champion.version == forecast.version
        return False


def read_letters(
    connection: Connection, announcements: Sequence[Announcement], choice: StepChoice
) -> list[Letter]:
    """Return a letter for each announcement, in their order.

    A kline that the store no longer holds becomes a removal; a key that names nothing
    becomes a refusal.
    """
    champions = _Champions(connection)
    letters: dict[Announcement, Letter] = {}
    by_series: dict[tuple[str, Interval], list[tuple[int, Announcement]]] = defaultdict(list)
    for announcement in announcements:
        try:
            if announcement.index_name == "forecasts":
                documents = _forecast(connection, announcement.key, choice, champions)
                letters[announcement] = Letter(announcement, documents)
            elif announcement.index_name == "klines":
                symbol, interval, open_ms = parse_kline_key(announcement.key)
                by_series[symbol, interval].append((open_ms, announcement))
            else:
                letters[announcement] = _refuse(announcement, "there is no such index")
        except (FatalError, ValueError) as error:
            letters[announcement] = _refuse(announcement, str(error))
    for (symbol, interval), wanted in by_series.items():
        letters |= _klines(connection, symbol, interval, wanted)
    return [letters[announcement] for announcement in announcements]


def _refuse(announcement: Announcement, reason: str) -> Letter:
    return Letter(announcement, [], reason)


def _forecast(
    connection: Connection, key: str, choice: StepChoice, champions: _Champions
) -> list[Document]:
    forecast = read_forecast(connection, key)
    if forecast is None:
        raise ValueError("the ledger holds no such forecast")
    return build_forecast_documents(forecast, choice, champion=champions.made(forecast))


def _klines(
    connection: Connection,
    symbol: str,
    interval: Interval,
    wanted: Sequence[tuple[int, Announcement]],
) -> dict[Announcement, Letter]:
    try:
        series = find_series(connection, symbol, interval)
    except FatalError as error:
        return {announcement: _refuse(announcement, str(error)) for _, announcement in wanted}
    documents = _kline_documents(connection, series, [open_ms for open_ms, _ in wanted])
    return {
        announcement: Letter(announcement, [documents[open_ms]]) for open_ms, announcement in wanted
    }


def _kline_documents(
    connection: Connection, series: Series, opens: Sequence[int]
) -> dict[int, Document]:
    symbol, interval = series.symbol, series.interval
    documents = {open_ms: build_kline_removal(symbol, interval, open_ms) for open_ms in opens}
    for start_ms, end_ms in group_runs(opens, _WIDEST_HOLE * interval.typical_ms):
        most = _WIDEST_HOLE * len(opens)
        for kline in read_klines(connection, series, start_ms, end_ms, most):
            if kline.open_time_ms in documents:
                documents[kline.open_time_ms] = build_kline_document(symbol, interval, kline)
    return documents
