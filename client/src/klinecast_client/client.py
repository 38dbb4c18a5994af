"""The client: one object per installation, its answers as DataFrames or plain columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from types import TracebackType

import pandas as pd

from klinecast_client.table import KlineTable, build_frame, build_table
from klinecast_client.transport import Transport
from market.errors import InvalidParameter
from market.forecast import MAX_STEPS, Forecast, ForecastPage, ScorePage
from market.shapes import StatusShape, SymbolPage, resolve_symbol
from market.times import parse_time_ms

#: `"BTCUSDT"`, or the pair `("BTC", "USDT")`.
Symbol = str | tuple[str, str]
#: `YYYY-MM-DD`, ISO-8601 with offset, UTC epoch ms, a date or an aware datetime.
Time = str | int | date | datetime

#: Rows asked for at once: large enough to make the round trip cheap.
PAGE_ROWS = 20_000


class Client:
    """Reads an installation's history and forecasts. Safe to share between threads.

    Every call may raise `NotFound` (unknown symbol), `InvalidParameter`, or, after
    `attempts` tries, `ServiceUnavailable`, all from `market.errors`.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        token: str | None = None,
        *,
        timeout_s: float = 30.0,
        attempts: int = 5,
    ) -> None:
        self._http = Transport(base_url, token, timeout_s=timeout_s, attempts=attempts)

    def klines(
        self,
        symbol: Symbol,
        interval: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        exact: bool = False,
    ) -> pd.DataFrame:
        """Return the stored klines opening in [start, end), oldest first.

        Index: `open_time` (UTC). Columns: the kline's fields; prices and volumes are floats,
        or `Decimal` with `exact`. `attrs`: complete, completeness, gaps.
        """
        return build_frame(self.kline_table(symbol, interval, start, end, exact=exact))

    def newest_klines(self, symbol: Symbol, interval: str, limit: int = 500) -> pd.DataFrame:
        """Return the newest `limit` stored klines, oldest first, as `klines` does."""
        return build_frame(self.newest_table(symbol, interval, limit))

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
        """Return the same klines as numpy columns, without the cost of a DataFrame."""
        parameters: dict[str, str | int | None] = {
            "symbol": _symbol(symbol),
            "interval": interval,
            "start": _time_ms("start", start),
            "end": _time_ms("end", end),
            "fields": None if fields is None else ",".join(fields),
            "limit": PAGE_ROWS,
        }
        pages = [self._http.get("/v1/klines", parameters)]
        while (cursor := pages[-1]["next"]) is not None:
            pages.append(self._http.get("/v1/klines", {**parameters, "cursor": cursor}))
        return build_table(pages, exact=exact)

    def newest_table(
        self,
        symbol: Symbol,
        interval: str,
        limit: int = 500,
        *,
        fields: Sequence[str] | None = None,
    ) -> KlineTable:
        """Return the newest `limit` stored klines as numpy columns, oldest first."""
        parameters: dict[str, str | int | None] = {
            "symbol": _symbol(symbol),
            "interval": interval,
            "limit": limit,
            "fields": None if fields is None else ",".join(fields),
        }
        return build_table([self._http.get("/v1/klines/latest", parameters)])

    def symbols(self) -> pd.DataFrame:
        """Return one row per stored series: symbol, interval, count, first and last open, lag."""
        page = SymbolPage.model_validate(self._http.get("/v1/symbols", {}))
        rows = [
            {**symbol.model_dump(exclude={"series"}), **series.model_dump()}
            for symbol in page.symbols
            for series in symbol.series
        ]
        return pd.DataFrame(rows)

    def forecasts(
        self,
        symbol: Symbol,
        interval: str,
        *,
        model: str | None = None,
        cutoff_ms: int | None = None,
        horizon: int = MAX_STEPS,
        limit: int = 1,
    ) -> list[Forecast]:
        """Return forecasts, newest cutoff first: the champion's unless `model` names one."""
        parameters: dict[str, str | int | None] = {
            "symbol": _symbol(symbol),
            "interval": interval,
            "model": model,
            "cutoff_ms": cutoff_ms,
            "horizon": horizon,
            "limit": limit,
        }
        return ForecastPage.model_validate(self._http.get("/v1/forecasts", parameters)).forecasts

    def scores(
        self,
        symbol: Symbol | None = None,
        interval: str | None = None,
        model: str | None = None,
        kind: str | None = None,
    ) -> pd.DataFrame:
        """Return one row per score card that matches."""
        parameters: dict[str, str | int | None] = {
            "symbol": None if symbol is None else _symbol(symbol),
            "interval": interval,
            "model": model,
            "kind": kind,
        }
        page = ScorePage.model_validate(self._http.get("/v1/scores", parameters))
        return pd.DataFrame([card.model_dump() for card in page.scores])

    def status(self) -> StatusShape:
        """Return the installation in a glance: the exchange's time, demo or not."""
        return StatusShape.model_validate(self._http.get("/v1/status", {}))

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _symbol(symbol: Symbol) -> str:
    if isinstance(symbol, str):
        return resolve_symbol(symbol, None, None)
    return resolve_symbol(None, *symbol)


def _time_ms(name: str, time: Time | None) -> int | None:
    if time is None:
        return None
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise InvalidParameter(name, time.isoformat(), "a datetime with a time zone")
        return round(time.timestamp() * 1000)
    return parse_time_ms(name, time.isoformat() if isinstance(time, date) else time)
