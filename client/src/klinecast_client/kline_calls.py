"""The client's calls about klines."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from klinecast_client.history import Range, read_range, warn_of_gaps
from klinecast_client.parameters import Parameters, Symbol, Time, symbol_name
from klinecast_client.table import KlineTable, build_frame, build_table
from klinecast_client.transport import Transport
from market.shapes import StatusShape

_DAY_MS = 86_400_000


class KlineCalls:
    """Klines as DataFrames, or as plain numpy columns where that cost is not wanted.

    Frames: index `open_time` (UTC), columns the kline's fields; prices and volumes are
    floats, or `Decimal` where asked for `exact`ly. `attrs` holds symbol, interval, complete,
    completeness and gaps; a `MissingKlines` warning says that there are gaps.
    """

    _http: Transport
    _arrow: bool

    def klines(
        self,
        symbol: Symbol,
        interval: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        as_of: Time | None = None,
        exact: bool = False,
    ) -> pd.DataFrame:
        """Return the klines opening in [start, end), oldest first; `as_of`: as known then."""
        asked = Range(symbol, interval, start, end, as_of)
        table = read_range(self._http, asked, None, exact=exact, by_arrow=self._arrow)
        return build_frame(warn_of_gaps(table))

    def five_days(self, symbol: Symbol, interval: str = "1h") -> pd.DataFrame:
        """Return the klines of the last five days by the exchange's clock."""
        return self._last_days(5, symbol, interval)

    def one_year(self, symbol: Symbol, interval: str = "1d") -> pd.DataFrame:
        """Return the klines of the last 365 days by the exchange's clock."""
        return self._last_days(365, symbol, interval)

    def latest(self, symbol: Symbol, interval: str, limit: int = 500) -> pd.DataFrame:
        """Return the newest `limit` klines, at most 100,000, oldest first."""
        return build_frame(warn_of_gaps(self.newest_table(symbol, interval, limit)))

    def kline_table(
        self,
        symbol: Symbol,
        interval: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        fields: Sequence[str] | None = None,
        exact: bool = False,
    ) -> KlineTable:
        """Return the klines opening in [start, end) as numpy columns, oldest first."""
        asked = Range(symbol, interval, start, end)
        return read_range(self._http, asked, fields, exact=exact, by_arrow=self._arrow)

    def newest_table(
        self,
        symbol: Symbol,
        interval: str,
        limit: int = 500,
        *,
        fields: Sequence[str] | None = None,
    ) -> KlineTable:
        """Return the newest `limit` klines as numpy columns, oldest first."""
        parameters: Parameters = {
            "symbol": symbol_name(symbol),
            "interval": interval,
            "limit": limit,
            "fields": None if fields is None else ",".join(fields),
        }
        return build_table([self._http.get("/v1/klines/latest", parameters)])

    def status(self) -> StatusShape:
        """Return the installation in a glance: the exchange's time, demo or not."""
        return StatusShape.model_validate(self._http.get("/v1/status", {}))

    def _last_days(self, days: int, symbol: Symbol, interval: str) -> pd.DataFrame:
        start_ms = self.status().now_ms - days * _DAY_MS
        return self.klines(symbol, interval, start_ms)
