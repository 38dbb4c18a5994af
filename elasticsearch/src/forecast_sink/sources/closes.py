"""Closing prices, and which artefact was champion: what a forecast is judged by."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from forecast_sink.documents import group_runs
from market.forecast import Forecast
from market.interval import Interval
from market.store import tables as t
from market.store.champions import Champion, read_champion_history
from market.store.symbols import Series, find_series

#: Klines further apart than this many steps are read by queries of their own.
WIDEST_HOLE = 20


def read_closes(
    connection: Connection, series: Series, start_ms: int, end_ms: int
) -> dict[int, float]:
    """Return the close of each kline opening in [start_ms, end_ms) by its slot's close time."""
    k = t.klines.c
    query = select(k.open_time_ms, k.close).where(
        k.symbol_id == series.symbol_id,
        k.interval_id == series.interval.number,
        k.open_time_ms >= start_ms,
        k.open_time_ms < end_ms,
    )
    interval = series.interval
    return {
        interval.close_of(interval.floor(open_ms)): float(close)
        for open_ms, close in connection.execute(query)
    }


def read_closes_after(
    connection: Connection, series: Series, cutoffs: Iterable[int], steps: int
) -> dict[int, float]:
    """Return the closes of the next `steps` klines after each cutoff."""
    interval = series.interval
    closes: dict[int, float] = {}
    for start_ms, last_ms in group_runs(cutoffs, steps * interval.typical_ms):
        end_ms = interval.add(last_ms - 1, steps + 1)
        closes |= read_closes(connection, series, start_ms, end_ms)
    return closes


class Champions:
    """Which artefact was a series' champion at a time; each series is read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._histories: dict[tuple[str, str], list[Champion]] = {}

    def made(self, forecast: Forecast) -> bool:
        """Tell whether the champion of its time made this forecast."""
        key = (forecast.symbol, forecast.interval)
        if key not in self._histories:
            series = find_series(self._connection, key[0], Interval.parse(key[1]))
            self._histories[key] = read_champion_history(self._connection, series)
        for champion in self._histories[key]:  # newest first
            if champion.since_ms <= forecast.made_at_ms:
                return champion.version == forecast.version
        return False
