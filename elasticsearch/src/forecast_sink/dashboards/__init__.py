"""The Kibana dashboards: descriptions in Python, built into saved objects."""

from __future__ import annotations

from forecast_sink.dashboards.description import Dashboard
from forecast_sink.dashboards.leaderboard import build_leaderboard
from forecast_sink.dashboards.market_and_forecast import build_market
from forecast_sink.dashboards.model_quality import build_quality
from forecast_sink.dashboards.pipeline_health import build_health
from forecast_sink.dashboards.saved_objects import build_ndjson
from forecast_sink.dashboards.setting import Setting
from forecast_sink.dashboards.signals import build_signals

__all__ = ["Setting", "build_dashboards", "build_ndjson"]

_BUILDERS = (build_market, build_quality, build_leaderboard, build_signals, build_health)


def build_dashboards(setting: Setting) -> tuple[Dashboard, ...]:
    """Return all dashboards, in the order of their links."""
    return tuple(build(setting) for build in _BUILDERS)
