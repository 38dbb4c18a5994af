"""The parameters of `GET /v1/forecasts` and `/v1/scores`. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api_historic.native.listing import names
from api_historic.native.parameters import (
    Chosen,
    Name,
    PagedQuery,
    Query,
    SeriesQuery,
    integer,
    moment,
)
from market.forecast import MAX_STEPS

MAX_FORECASTS = 100
#: In place of a model: those of every one.
EVERY_MODEL = ("all",)


class ForecastsQuery(PagedQuery, SeriesQuery):
    """The parameters of `GET /v1/forecasts`."""

    model: Annotated[tuple[str, ...] | None, names("model", upper=False)] = Field(
        None,
        description="Default: the champion's model. Several are separated by commas; `all` is"
        " every one.",
        examples=["ridge"],
    )
    cutoff_ms: Annotated[int | None, moment("cutoff_ms")] = Field(
        None, description="Only from this cutoff: the open time of the last kline seen."
    )
    start: Annotated[int | None, moment("start")] = Field(
        None, description="Only cutoffs at this time or later: ms, YYYY-MM-DD or ISO-8601."
    )
    end: Annotated[int | None, moment("end")] = Field(
        None, description="Only cutoffs before this time."
    )
    horizon: Annotated[int, integer("horizon", 1, MAX_STEPS)] = Field(
        MAX_STEPS, description="How many steps of each are told."
    )
    limit: Annotated[int, integer("limit", 1, MAX_FORECASTS)] = Field(
        1, description="How many forecasts a page holds, newest cutoff first."
    )


class ScoresQuery(Query):
    """The parameters of `GET /v1/scores`."""

    symbol: Name | None = None
    interval: Chosen | None = None
    model: Name | None = None
    kind: Literal["replay", "live"] | None = Field(
        None, description="`replay`: walk-forward over the past; `live`: of forecasts as made."
    )
    step: Annotated[int | None, integer("step", 1, MAX_STEPS)] = Field(
        None, description="Only of this step ahead."
    )
    start: Annotated[int | None, moment("start")] = Field(
        None, description="Only cards whose last cutoff is at this time or later."
    )
    end: Annotated[int | None, moment("end")] = Field(
        None, description="Only cards whose last cutoff is before this time."
    )
    versions: Literal["newest", "all"] = Field(
        "newest", description="`newest`: of each model's newest version; `all`: newest first."
    )
