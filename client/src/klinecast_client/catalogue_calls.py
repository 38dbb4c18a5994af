"""The client's calls about what is stored."""

from __future__ import annotations

import pandas as pd

from klinecast_client.history import read_pages
from klinecast_client.listing import build_listing
from klinecast_client.parameters import Parameters, Symbol, Time, symbol_name, time_ms
from klinecast_client.transport import Transport
from market.history_shapes import CoveragePage, GapPage, LedgerGapShape, SeriesCoverage
from market.shapes import SymbolPage

_ROWS = 10_000


class CatalogueCalls:
    """What is stored, how complete it is, and what is missing. All times are UTC."""

    _http: Transport

    def symbols(self) -> pd.DataFrame:
        """Return one row per stored series: symbol, interval, count, first and last open, lag."""
        pages = read_pages(self._http, {}, "/v1/symbols")
        rows = [
            {**symbol.model_dump(exclude={"series"}), **series.model_dump()}
            for page in pages
            for symbol in SymbolPage.model_validate(page).symbols
            for series in symbol.series
        ]
        return pd.DataFrame(rows)

    def coverage(self, symbol: Symbol | None = None, interval: str | None = None) -> pd.DataFrame:
        """Return one row per stored series: how much of it is there, and how far behind it is.

        Columns: symbol, interval, first_open, last_open, count, expected, completeness,
        watermark, confirmed_until, lag_ms.
        """
        pages = read_pages(self._http, _filters(symbol, interval), "/v1/coverage")
        rows = [one for page in pages for one in CoveragePage.model_validate(page).series]
        return build_listing(rows, SeriesCoverage, without=("months",))

    def gaps(
        self,
        symbol: Symbol | None = None,
        interval: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        *,
        cause: str | None = None,
        resolved: str = "false",
    ) -> pd.DataFrame:
        """Return one row per entry of the gap ledger that touches [start, end).

        Columns: symbol, interval, start, end, slots, cause, first_seen, resolved. `resolved`:
        "false" for open gaps, "true" for healed ones, or "any".
        """
        parameters = _filters(symbol, interval) | {
            "start": time_ms("start", start),
            "end": time_ms("end", end),
            "cause": cause,
            "resolved": resolved,
        }
        pages = read_pages(self._http, parameters, "/v1/gaps")
        rows = [gap for page in pages for gap in GapPage.model_validate(page).gaps]
        return build_listing(rows, LedgerGapShape)


def _filters(symbol: Symbol | None, interval: str | None) -> Parameters:
    name = None if symbol is None else symbol_name(symbol)
    return {"symbol": name, "interval": interval, "limit": _ROWS}
