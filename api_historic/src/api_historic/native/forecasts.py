"""`GET /v1/forecasts`, `/v1/scores` and `/v1/champions`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection

from api_historic.cursor import Position, write_cursor
from api_historic.native.forecast_parameters import EVERY_MODEL, ForecastsQuery, ScoresQuery
from api_historic.native.parameters import SeriesQuery, check_order, only
from api_historic.native.truth import find_truth
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
        """Return forecasts of a series, newest cutoff first: the champion's unless asked.

        `truth` tells, by `forecast_id`, what came of the steps whose klines are stored by now:
        the close, the error ln(actual / point), and which bands held it.
        """
        check_order(query.start, query.end)
        with service.store.read() as connection:
            return answer_forecasts(connection, query)

    @router.get("/v1/scores", dependencies=[Depends(only(ScoresQuery))])
    def scores(query: Annotated[ScoresQuery, Query()]) -> ScorePage:
        """Return the score cards that match, of each model's newest version unless asked."""
        check_order(query.start, query.end)
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
                step=query.step,
                span=(query.start, query.end),
                every_version=query.versions == "all",
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
    models = query.model or (_champion_model(connection, series),)
    position = query.position()
    skip = 0 if position is None else position.skip
    ends = [query.end, None if position is None else position.time_ms + 1]
    found = read_forecasts(
        connection,
        series,
        models=None if models == EVERY_MODEL else models,
        cutoff_ms=query.cutoff_ms,
        from_ms=query.start,
        before_ms=min((end_ms for end_ms in ends if end_ms is not None), default=None),
        limit=skip + query.limit + 1,
    )[skip:]
    if not found and position is None:
        by = "" if models == EVERY_MODEL else f" by {', '.join(models)}"
        raise _no_forecast(series, by, query)
    page = found[: query.limit]
    following = None
    if len(found) > query.limit:
        following = write_cursor(_position_after(page, position))
    told = [_cut(forecast, query.horizon) for forecast in page]
    truth = find_truth(connection, series, told)
    return ForecastPage(forecasts=told, truth=truth, next=following)


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


def _no_forecast(series: Series, by: str, query: ForecastsQuery | None) -> NotFound:
    since = ""
    if query is not None and query.cutoff_ms is not None:
        since = f" from cutoff {query.cutoff_ms}"
    elif query is not None and (query.start is not None or query.end is not None):
        since = " from a cutoff in that range"
    return NotFound(
        f"there is no forecast of {series.symbol} {series.interval}{by}{since}",
        hint=(
            "Models forecast once they are trained, on each new closed kline;"
            " ask for a training with POST /v1/trainings on the models' API."
        ),
    )
