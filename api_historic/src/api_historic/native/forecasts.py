"""`GET /v1/forecasts`, `/v1/scores` and `/v1/champions`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection

from api_historic.cursor import Position, write_cursor
from api_historic.native.parameters import ForecastsQuery, ScoresQuery, SeriesQuery, only
from api_historic.service import Service
from market.errors import NotFound
from market.forecast import Forecast, ForecastPage, ScorePage
from market.interval import Interval
from market.shapes import ChampionPage, ChampionShape
from market.store.champions import read_champion, read_champion_history
from market.store.forecast_ledger import read_forecasts
from market.store.score_ledger import read_score_cards
from market.store.symbols import Series, find_series


def build_forecast_router(service: Service) -> APIRouter:
    """Return the routes about what the models said, and how good they were."""
    router = APIRouter(tags=["forecasts"])

    @router.get("/v1/forecasts", dependencies=[Depends(only(ForecastsQuery))])
    def forecasts(query: Annotated[ForecastsQuery, Query()]) -> ForecastPage:
        """Return forecasts of a series, newest cutoff first: the champion's unless asked."""
        with service.store.read() as connection:
            return answer_forecasts(connection, query)

    @router.get("/v1/scores", dependencies=[Depends(only(ScoresQuery))])
    def scores(query: Annotated[ScoresQuery, Query()]) -> ScorePage:
        """Return the score cards that match, of each model's newest version."""
        symbol = None if query.symbol is None else query.symbol.upper()
        with service.store.read() as connection:
            if symbol is not None:  # an unknown symbol is an error, not an empty answer
                find_series(connection, symbol, query.interval or Interval.H1)
            cards = read_score_cards(
                connection,
                symbol=symbol,
                interval=query.interval,
                model=query.model,
                kind=query.kind,
            )
        return ScorePage(scores=cards)

    @router.get("/v1/champions", dependencies=[Depends(only(SeriesQuery))])
    def champions(query: Annotated[SeriesQuery, Query()]) -> ChampionPage:
        """Return the champions a series had, the present one first."""
        with service.store.read() as connection:
            series = find_series(connection, query.symbol_name(), query.interval)
            history = read_champion_history(connection, series)
        return ChampionPage(
            champions=[
                ChampionShape(**{**champion._asdict(), "interval": champion.interval.value})
                for champion in history
            ]
        )

    return router


def answer_forecasts(connection: Connection, query: ForecastsQuery) -> ForecastPage:
    """Return the page of forecasts a query asks for.

    Raises:
        NotFound: there is none.
    """
    series = find_series(connection, query.symbol_name(), query.interval)
    model = query.model or _champion_model(connection, series)
    position = query.position()
    skip = 0 if position is None else position.skip
    found = read_forecasts(
        connection,
        series,
        model=model,
        cutoff_ms=query.cutoff_ms,
        before_ms=None if position is None else position.time_ms + 1,
        limit=skip + query.limit + 1,
    )[skip:]
    if not found and position is None:
        raise _no_forecast(series, f" by {model}", query.cutoff_ms)
    page = found[: query.limit]
    following = None
    if len(found) > query.limit:
        following = write_cursor(_position_after(page, position))
    return ForecastPage(forecasts=[_cut(f, query.horizon) for f in page], next=following)


def _champion_model(connection: Connection, series: Series) -> str:
    champion = read_champion(connection, series)
    if champion is None:
        raise _no_forecast(series, "", None)
    return champion.model


def _position_after(page: list[Forecast], before: Position | None) -> Position:
    """Return where the next page begins: several versions may share the last cutoff."""
    cutoff_ms = page[-1].cutoff_ms
    skip = sum(forecast.cutoff_ms == cutoff_ms for forecast in page)
    if before is not None and before.time_ms == cutoff_ms:
        skip += before.skip
    return Position(cutoff_ms, skip)


def _cut(forecast: Forecast, horizon: int) -> Forecast:
    return forecast.model_copy(update={"steps": forecast.steps[:horizon]})


def _no_forecast(series: Series, by: str, cutoff_ms: int | None) -> NotFound:
    since = "" if cutoff_ms is None else f" from cutoff {cutoff_ms}"
    return NotFound(
        f"there is no forecast of {series.symbol} {series.interval}{by}{since}",
        hint=(
            "Models forecast once they are trained, on each new closed kline;"
            " ask for a training with POST /v1/trainings on the models' API."
        ),
    )
