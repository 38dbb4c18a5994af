"""Every index by the name that announcements and commands give it."""

from __future__ import annotations

from forecast_sink.sources.events import EVENT_SOURCE
from forecast_sink.sources.forecasts import FORECAST_SOURCE, SIGNAL_SOURCE
from forecast_sink.sources.health import HEALTH_SOURCE
from forecast_sink.sources.klines import KLINE_SOURCE
from forecast_sink.sources.runs import RUN_SOURCE
from forecast_sink.sources.scope import Source
from forecast_sink.sources.scores import SCORE_SOURCE

SOURCES: dict[str, Source] = {
    source.plan.name: source
    for source in (
        FORECAST_SOURCE,
        KLINE_SOURCE,
        SCORE_SOURCE,
        RUN_SOURCE,
        SIGNAL_SOURCE,
        HEALTH_SOURCE,
        EVENT_SOURCE,
    )
}
