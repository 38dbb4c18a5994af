"""The dashboard "Data and pipeline health": in half a minute, whether all of it moves."""

from __future__ import annotations

from forecast_sink.dashboards.description import (
    Chart,
    Column,
    Control,
    Dashboard,
    Figure,
    Layer,
    Listing,
    Place,
    Table,
    Terms,
)
from forecast_sink.dashboards.filters import Filter
from forecast_sink.dashboards.setting import (
    BLUE,
    EVENT_VIEW,
    FORECAST_VIEW,
    HEALTH_VIEW,
    MARKET,
    PIPELINE,
    Setting,
)

_SERIES = (Filter("scope", ("series",)),)
_SINK = (Filter("service", ("sink",)),)
_MODELS = (Filter("service", ("models",)),)
_SERVICES = (Filter("scope", ("service",)),)
_SERIOUS = (Filter("level", ("warning", "error")),)

_TEXT = """\
**How to read this.** The upper figures are zero while all is well. A series is *late* when its \
newest kline closed more than an interval and five minutes ago. *Open gaps* are those a repair \
could fill. *Dead letters* are documents that Elasticsearch refused: \
`forecast-sink dead list` tells why. *Outbox* is what waits to be shown here.

Health is rewritten every quarter of a minute; where nothing is shown at all, the sink itself \
is down. Times are the exchange's."""


def build_health(setting: Setting) -> Dashboard:
    """Return the dashboard."""
    return setting.dashboard(
        identity=PIPELINE,
        description="Freshness, gaps, the outbox, dead letters, failed runs and events.",
        live_range=("now-24h", "now+1h"),
        views=(HEALTH_VIEW, EVENT_VIEW, FORECAST_VIEW),
        controls=(
            Control("symbol", "Symbol", HEALTH_VIEW),
            Control("interval", "Interval", HEALTH_VIEW),
        ),
        panels=(
            *_figures(),
            _freshness(),
            *_charts(),
            *_listings(),
            setting.reading(Place(36, 33, 12, 20), _TEXT),
        ),
    )


def _figures() -> tuple[Figure, ...]:
    figures = (
        ("late-series", "Series that are late", Column("Late", "sum", "is_late"), _SERIES),
        ("open-gaps", "Open gaps", Column("Gaps", "sum", "open_gaps"), _SERIES),
        ("dead-letters", "Dead letters", Column("Dead", "max", "dead_letters"), _SINK),
        ("outbox", "Outbox", Column("Waiting", "max", "waiting"), _SINK),
        ("outbox-lag", "Outbox lag (s)", Column("Lag", "max", "outbox_lag", decimals=1), _SINK),
        ("failed-jobs", "Jobs failed in a day", Column("Failed", "max", "failed_jobs"), _MODELS),
    )
    return tuple(
        Figure(identity, title, Place(8 * i, 2, 8, 5), Layer(HEALTH_VIEW, (column,)), filters)
        for i, (identity, title, column, filters) in enumerate(figures)
    )


def _freshness() -> Table:
    return Table(
        "freshness",
        "Freshness of every series",
        Place(0, 7, 48, 14),
        Layer(
            HEALTH_VIEW,
            (
                Column("Late", "max", "is_late"),
                Column("Newest kline closed", "max", "newest_kline"),
                Column("Kline lag (s)", "max", "kline_lag", decimals=0),
                Column("Forecast lag (s)", "max", "forecast_lag", decimals=0),
                Column("Open gaps", "max", "open_gaps"),
            ),
            terms=(Terms("symbol", "Symbol", 500), Terms("interval", "Interval")),
        ),
        _SERIES,
        MARKET,
    )


def _charts() -> tuple[Chart, ...]:
    return (
        Chart(
            "events-over-time",
            "Events by kind",
            Place(0, 21, 24, 12),
            "bar",
            (
                Layer(
                    EVENT_VIEW,
                    (Column("Events", "count"),),
                    x="time",
                    interval="1h",
                    terms=(Terms("event", "Event", 10),),
                ),
            ),
        ),
        Chart(
            "forecast-latency",
            "Seconds from a kline's close to its forecast",
            Place(24, 21, 24, 12),
            "line",
            (
                Layer(
                    FORECAST_VIEW,
                    (Column("Mean", "average", "latency", BLUE, decimals=1),),
                    x="target_time",
                    interval="1h",
                ),
            ),
            (Filter("step", (1,)),),
        ),
    )


def _listings() -> tuple[Listing, ...]:
    return (
        Listing(
            "klinecast-services",
            "Services",
            Place(0, 33, 36, 7),
            HEALTH_VIEW,
            ("service", "state", "detail"),
            (("checked_at", "desc"),),
            _SERVICES,
        ),
        Listing(
            "klinecast-serious-events",
            "Warnings and errors",
            Place(0, 40, 36, 13),
            EVENT_VIEW,
            ("level", "service", "event", "symbol", "interval", "message"),
            (("time", "desc"),),
            _SERIOUS,
        ),
    )
