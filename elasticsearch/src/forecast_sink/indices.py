"""The indices as data: names, settings and strict mappings of their templates."""

from __future__ import annotations

from typing import Any, NamedTuple

#: Above the templates that Elasticsearch brings (100 to 200) and most others.
PRIORITY = 500
SETTINGS_COMPONENT = "klinecast-settings"
#: Grows with every change to the settings all indices share.
SETTINGS_VERSION = 1
PREFIX = "klinecast-"

_KEYWORD = {"type": "keyword"}
_TEXT = {"type": "text"}
_DATE = {"type": "date"}
_DOUBLE = {"type": "double"}
_LONG = {"type": "long"}
_SHORT = {"type": "short"}
_BOOLEAN = {"type": "boolean"}
#: 0 or 1: a share is the mean of these, which a boolean has none of.
_FLAG = {"type": "byte"}


class IndexPlan(NamedTuple):
    """One alias, the index behind it and what its documents hold.

    Attributes:
        alias: what everybody reads and writes, without a number.
        properties: the fields; a document with any other is refused.
        version: grows with every change to the fields; `install` then makes the index anew.
        monthly: one index a month, whose number is the month (202406), all behind the alias.
    """

    alias: str
    properties: dict[str, dict[str, Any]]
    version: int = 1
    monthly: bool = False

    @property
    def name(self) -> str:
        """The name without the prefix, as announcements and commands say it."""
        return self.alias.removeprefix(PREFIX)

    @property
    def component(self) -> str:
        """The component template that holds the mappings."""
        return f"{self.alias}-mappings"

    def index_name(self, number: int = 1) -> str:
        """Return the name of the alias' index of that number."""
        return f"{self.alias}-{number:06d}"


def _fields(kind: dict[str, Any], *names: str) -> dict[str, dict[str, Any]]:
    return dict.fromkeys(names, kind)


#: Of every index, and so what a control of a dashboard may filter all its panels by.
_SERIES = _fields(_KEYWORD, "symbol", "interval")
_BANDS = _fields(_FLAG, "in_band_50", "in_band_80", "in_band_95")

#: What is known of a step once its kline has closed.
TRUTH = {
    **_fields(_DOUBLE, "actual", "error", "abs_error", "squared_error", "percentage_error"),
    **_fields(_DOUBLE, "naive_error", "skill", "pinball"),
    **_BANDS,
    "direction_hit": _FLAG,
}

FORECASTS = IndexPlan(
    "klinecast-forecasts",
    {
        **_SERIES,
        **_fields(_KEYWORD, "model", "version"),
        "step": _SHORT,
        **_fields(_DATE, "cutoff", "made_at", "target_time"),
        **_fields(_DOUBLE, "last_close", "point", "latency"),
        **_fields(_DOUBLE, "q025", "q10", "q25", "q50", "q75", "q90", "q975"),
        "sigma": _DOUBLE,
        **_fields(_KEYWORD, "verdict", "point_verdict", "direction_verdict", "action", "state"),
        **_fields(_BOOLEAN, "demo", "champion"),
        **TRUTH,
    },
    version=2,
)

KLINES = IndexPlan(
    "klinecast-klines",
    {
        **_SERIES,
        **_fields(_DATE, "open_time", "close_time"),
        **_fields(_DOUBLE, "open", "high", "low", "close", "volume", "quote_asset_volume"),
        "number_of_trades": _LONG,
        **_fields(_DOUBLE, "taker_buy_base_asset_volume", "taker_buy_quote_asset_volume"),
    },
)

SCORES = IndexPlan(
    "klinecast-scores",
    {
        **_SERIES,
        **_fields(_KEYWORD, "model", "version", "kind"),
        "step": _SHORT,
        "day": _DATE,
        **_fields(_LONG, "n", "n_eff", "direction_n"),
        **_fields(_DOUBLE, "coverage_50", "coverage_80", "coverage_95", "width_80"),
        **_fields(_DOUBLE, "pinball", "mae", "naive_mae", "rmse", "mape", "bias", "mase", "skill"),
        **_fields(_DOUBLE, "direction_accuracy"),
        **_fields(_DOUBLE, "skill_constant", "p_constant", "skill_ewma", "p_ewma"),
        **_fields(_DOUBLE, "mae_ratio", "p_mae"),
        **_fields(_KEYWORD, "verdict", "point_verdict", "direction_verdict"),
    },
)

RUNS = IndexPlan(
    "klinecast-runs",
    {
        **_SERIES,
        **_fields(_KEYWORD, "run_id", "job", "kind", "state", "model", "fold"),
        "position": _SHORT,
        **_fields(_DATE, "created_at", "changed_at"),
        **_fields(_DOUBLE, "progress", "duration"),
        **_fields(_FLAG, "is_done", "is_failed"),
        **_fields(_TEXT, "detail", "error"),
    },
)

SIGNALS = IndexPlan(
    "klinecast-signals",
    {
        **_SERIES,
        **_fields(_KEYWORD, "model", "version", "action", "state", "verdict", "reason"),
        **_fields(_DATE, "cutoff", "made_at", "target_time"),
        **_fields(_DOUBLE, "last_close", "median", "expected_return", "width_80"),
        **_fields(_BOOLEAN, "demo", "champion"),
        **_fields(_DOUBLE, "actual", "actual_return", "result"),
        "is_hit": _FLAG,
    },
)

HEALTH = IndexPlan(
    "klinecast-health",
    {
        **_SERIES,
        **_fields(_KEYWORD, "scope", "service", "state"),
        **_fields(_DATE, "checked_at", "newest_kline", "newest_forecast", "watermark"),
        **_fields(_DOUBLE, "kline_lag", "forecast_lag", "outbox_lag"),
        **_fields(_LONG, "open_gaps", "waiting", "dead_letters", "failed_jobs", "running_jobs"),
        **_fields(_FLAG, "is_late"),
        "detail": _TEXT,
    },
)

EVENTS = IndexPlan(
    "klinecast-events",
    {
        **_SERIES,
        "time": _DATE,
        **_fields(_KEYWORD, "service", "event", "level", "model", "version"),
        "message": _TEXT,
    },
    monthly=True,
)

PLANS = (FORECASTS, KLINES, SCORES, RUNS, SIGNALS, HEALTH, EVENTS)

_SETTINGS = {
    "number_of_shards": 1,
    # A single node can't place a replica; a cluster of several gets one by itself.
    "auto_expand_replicas": "0-1",
    "refresh_interval": "1s",
}


def component_templates() -> dict[str, dict[str, Any]]:
    """Return every component template by its name."""
    shared = {"settings": {"index": _SETTINGS}}
    components = {SETTINGS_COMPONENT: _component(shared, SETTINGS_VERSION)}
    for plan in PLANS:
        mappings = {
            "dynamic": "strict",
            "_meta": meta(plan.version),
            "properties": plan.properties,
        }
        components[plan.component] = _component({"mappings": mappings}, plan.version)
    return components


def index_templates() -> dict[str, dict[str, Any]]:
    """Return every index template by its name."""
    templates: dict[str, dict[str, Any]] = {}
    for plan in PLANS:
        templates[plan.alias] = {
            "index_patterns": [f"{plan.alias}-*"],
            "composed_of": [SETTINGS_COMPONENT, plan.component],
            "priority": PRIORITY,
            "version": plan.version,
            "_meta": meta(plan.version),
        }
        if plan.monthly:  # the first document of a month makes its index
            templates[plan.alias]["template"] = {"aliases": {plan.alias: {}}}
    return templates


def meta(version: int) -> dict[str, Any]:
    """Return the mark by which a template or an index tells who made it."""
    return {"managed_by": "klinecast", "version": version}


def _component(template: dict[str, Any], version: int) -> dict[str, Any]:
    return {"template": template, "version": version, "_meta": meta(version)}
