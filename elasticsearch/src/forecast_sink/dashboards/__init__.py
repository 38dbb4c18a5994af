"""The Kibana dashboards: a description in Python, built into saved objects."""

from forecast_sink.dashboards.market_and_forecast import build_dashboard
from forecast_sink.dashboards.saved_objects import build_ndjson

__all__ = ["build_dashboard", "build_ndjson"]
