"""What all dashboards share: names, data views, colours, the bar of links and the demo's range."""

from __future__ import annotations

from typing import NamedTuple

from forecast_sink.dashboards.description import (
    Control,
    Dashboard,
    DataView,
    Links,
    Panel,
    Place,
    Text,
)
from forecast_sink.indices import (
    EVENTS,
    FORECASTS,
    HEALTH,
    KLINES,
    RUNS,
    SCORES,
    SIGNALS,
    IndexPlan,
)

MARKET = "klinecast-market-and-forecast"
QUALITY = "klinecast-model-quality"
LEADERBOARD = "klinecast-leaderboard-and-training"
PAPER = "klinecast-signals-and-paper-results"
PIPELINE = "klinecast-data-and-pipeline-health"

#: Each dashboard's identity and title, in the order of the bar of links.
TITLES = {
    MARKET: "Market and forecast",
    QUALITY: "Model quality",
    LEADERBOARD: "Leaderboard and training",
    PAPER: "Signals and paper results",
    PIPELINE: "Data and pipeline health",
}

INK, BLUE, PALE = "#343741", "#6092C0", "#A8BFDA"
GREEN, RED, AMBER = "#54B399", "#E7664C", "#D6BF57"

#: The simulator's sample is served from 2024-06-18 and ends on 2024-06-25.
_DEMO_RANGE = ("2024-06-13T00:00:00.000Z", "2024-06-28T00:00:00.000Z")

_DEMO_TEXT = """\
**DEMO** - recorded klines of June 2024, replayed by the simulator at 60 times their pace. \
Nothing here is the market of today.

"""
_ADVICE = "\n\n**Research only. This is not financial advice.**"


def _view(plan: IndexPlan, name: str, time_field: str) -> DataView:
    return DataView(plan.alias, f"Klinecast {name}", time_field, plan.properties)


FORECAST_VIEW = _view(FORECASTS, "forecasts", "target_time")
KLINE_VIEW = _view(KLINES, "klines", "open_time")
SCORE_VIEW = _view(SCORES, "scores", "day")
RUN_VIEW = _view(RUNS, "training runs", "created_at")
SIGNAL_VIEW = _view(SIGNALS, "signals", "target_time")
HEALTH_VIEW = _view(HEALTH, "health", "checked_at")
EVENT_VIEW = _view(EVENTS, "events", "time")


class Setting(NamedTuple):
    """The installation that dashboards are built for: demo or not, and its first series."""

    demo: bool = False
    symbol: str = "BTCUSDT"
    interval: str = "1h"

    def dashboard(
        self,
        *,
        identity: str,
        description: str,
        live_range: tuple[str, str],
        views: tuple[DataView, ...],
        controls: tuple[Control, ...],
        panels: tuple[Panel, ...],
    ) -> Dashboard:
        """Return a dashboard with the bar of links above its panels, from y = 2 on."""
        start, end = _DEMO_RANGE if self.demo else live_range
        links = Links("links", "Dashboards", Place(0, 0, 48, 2), tuple(TITLES.items()))
        return Dashboard(
            identity=identity,
            title=f"Klinecast - {TITLES[identity].lower()}" + (" (DEMO)" if self.demo else ""),
            description=f"{description} Not financial advice.",
            start=start,
            end=end,
            views=views,
            controls=controls,
            panels=(*panels, links),
        )

    def reading(self, place: Place, text: str) -> Text:
        """Return the panel that says how to read the others."""
        words = (_DEMO_TEXT if self.demo else "") + text + _ADVICE
        return Text("reading", "How to read this", place, words)
