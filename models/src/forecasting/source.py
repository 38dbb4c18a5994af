"""Klines from the history API, the way any user reads them."""

from __future__ import annotations

from typing import NamedTuple

from forecasting.panel import COLUMNS, Panel, build_panel
from klinecast_client import Client
from market.interval import Interval

_FIELDS = ("open_time", *COLUMNS)
#: More klines than this are not answered at once.
_MOST_ROWS = 100_000


class SeriesState(NamedTuple):
    """How much of a series the history API holds, and how far it is behind."""

    klines: int
    lag_ms: int


class KlineSource:
    """Reads series as panels. Safe to share between threads.

    Every call may raise `NotFound` for a symbol the installation does not know, and
    `ServiceUnavailable` where the history API does not answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def newest_open_ms(self, symbol: str, interval: Interval) -> int | None:
        """Return the open time of the newest closed kline, `None` where there is none."""
        table = self._client.newest_table(symbol, interval.value, 1, fields=("open_time",))
        return int(table["open_time"][-1]) if len(table) else None

    def read_newest(self, symbol: str, interval: Interval, limit: int) -> Panel:
        """Return the newest `limit` closed klines, at most 100,000.

        Raises:
            DataError: there are none, or they can't be true.
        """
        table = self._client.newest_table(
            symbol, interval.value, min(limit, _MOST_ROWS), fields=_FIELDS
        )
        return build_panel(symbol, interval, table.columns.get("open_time", ()), table.columns)

    def read_range(
        self, symbol: str, interval: Interval, start_ms: int | None, end_ms: int | None
    ) -> Panel:
        """Read the closed klines opening in [start, end); `None` leaves a side open.

        Raises:
            DataError: there are none, or they can't be true.
        """
        table = self._client.kline_table(symbol, interval.value, start_ms, end_ms, fields=_FIELDS)
        return build_panel(symbol, interval, table.columns.get("open_time", ()), table.columns)

    def read_states(self) -> dict[tuple[str, str], SeriesState]:
        """Return the state of every stored series by symbol and interval."""
        frame = self._client.symbols()
        return {
            (str(row["symbol"]), str(row["interval"])): SeriesState(
                int(row["count"]), int(row["lag_ms"])
            )
            for row in frame.to_dict("records")
        }

    def ping(self) -> None:
        """Ask the history API for a sign of life."""
        self._client.status()
