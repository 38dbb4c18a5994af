"""The client's calls about what the models said, and how good they were."""

from __future__ import annotations

import pandas as pd

from klinecast_client.fan import forecast_rows
from klinecast_client.parameters import Parameters, Symbol, Time, symbol_name, time_ms
from klinecast_client.transport import Transport
from market.forecast import MAX_STEPS, Forecast, ForecastPage, ScorePage

_LARGEST_PAGE = 100


class ForecastCalls:
    """Forecasts and score cards."""

    _http: Transport

    def forecasts(
        self,
        symbol: Symbol,
        interval: str,
        *,
        model: str | None = None,
        cutoff: Time | None = None,
        horizon: int = MAX_STEPS,
        limit: int = 1,
    ) -> pd.DataFrame:
        """Return the newest `limit` forecasts, one row per step: the champion's unless asked.

        Index: cutoff_time (UTC), step. Columns: target_time, point, sigma, one `q<level>` for
        each quantile, model, version. `forecast_list` tells all there is of each.
        """
        found = self.forecast_list(
            symbol, interval, model=model, cutoff=cutoff, horizon=horizon, limit=limit
        )
        return forecast_rows(found)

    def forecast_list(
        self,
        symbol: Symbol,
        interval: str,
        *,
        model: str | None = None,
        cutoff: Time | None = None,
        horizon: int = MAX_STEPS,
        limit: int = 1,
    ) -> list[Forecast]:
        """Return the same forecasts whole, newest cutoff first.

        Raises:
            NotFound: there is none.
        """
        parameters: Parameters = {
            "symbol": symbol_name(symbol),
            "interval": interval,
            "model": model,
            "cutoff_ms": time_ms("cutoff", cutoff),
            "horizon": horizon,
        }
        found: list[Forecast] = []
        cursor: str | None = None
        while True:
            asked = parameters | {"limit": min(limit - len(found), _LARGEST_PAGE), "cursor": cursor}
            page = ForecastPage.model_validate(self._http.get("/v1/forecasts", asked))
            found += page.forecasts
            cursor = page.next
            if cursor is None or len(found) >= limit:
                return found

    def scores(
        self,
        symbol: Symbol | None = None,
        interval: str | None = None,
        model: str | None = None,
        kind: str | None = None,
    ) -> pd.DataFrame:
        """Return one row per score card that matches."""
        parameters: Parameters = {
            "symbol": None if symbol is None else symbol_name(symbol),
            "interval": interval,
            "model": model,
            "kind": kind,
        }
        page = ScorePage.model_validate(self._http.get("/v1/scores", parameters))
        return pd.DataFrame([card.model_dump() for card in page.scores])
