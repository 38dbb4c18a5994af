"""The indices as data: names, settings and strict mappings of their templates."""

from __future__ import annotations

from typing import Any, NamedTuple

#: Grows with every change to a template; `install` brings an older one up to date.
TEMPLATE_VERSION = 1
#: Above the templates that Elasticsearch brings (100 to 200) and most others.
PRIORITY = 500
SETTINGS_COMPONENT = "klinecast-settings"

_KEYWORD = {"type": "keyword"}
_DATE = {"type": "date"}
_DOUBLE = {"type": "double"}
_BOOLEAN = {"type": "boolean"}


class IndexPlan(NamedTuple):
    """One alias, the index behind it and what its documents hold.

    Attributes:
        alias: what everybody reads and writes, without a number.
        properties: the fields; a document with any other is refused.
    """

    alias: str
    properties: dict[str, dict[str, Any]]

    @property
    def component(self) -> str:
        """The component template that holds the mappings."""
        return f"{self.alias}-mappings"

    def index_name(self, number: int = 1) -> str:
        """Return the name of the alias' index of that number."""
        return f"{self.alias}-{number:06d}"


FORECASTS = IndexPlan(
    "klinecast-forecasts",
    {
        **dict.fromkeys(("symbol", "interval", "model", "version"), _KEYWORD),
        "step": {"type": "short"},
        **dict.fromkeys(("cutoff", "made_at", "target_time"), _DATE),
        **dict.fromkeys(("last_close", "point"), _DOUBLE),
        **dict.fromkeys(("q025", "q10", "q25", "q50", "q75", "q90", "q975"), _DOUBLE),
        "sigma": _DOUBLE,
        **dict.fromkeys(("verdict", "point_verdict", "direction_verdict"), _KEYWORD),
        **dict.fromkeys(("action", "state"), _KEYWORD),
        **dict.fromkeys(("demo", "champion"), _BOOLEAN),
    },
)

KLINES = IndexPlan(
    "klinecast-klines",
    {
        **dict.fromkeys(("symbol", "interval"), _KEYWORD),
        **dict.fromkeys(("open_time", "close_time"), _DATE),
        **dict.fromkeys(("open", "high", "low", "close"), _DOUBLE),
        **dict.fromkeys(("volume", "quote_asset_volume"), _DOUBLE),
        "number_of_trades": {"type": "long"},
        **dict.fromkeys(("taker_buy_base_asset_volume", "taker_buy_quote_asset_volume"), _DOUBLE),
    },
)

PLANS = (FORECASTS, KLINES)

_SETTINGS = {
    "number_of_shards": 1,
    # A single node can't place a replica; a cluster of several gets one by itself.
    "auto_expand_replicas": "0-1",
    "refresh_interval": "1s",
}


def component_templates() -> dict[str, dict[str, Any]]:
    """Return every component template by its name."""
    components = {SETTINGS_COMPONENT: _component({"settings": {"index": _SETTINGS}})}
    for plan in PLANS:
        mappings = {"dynamic": "strict", "_meta": meta(), "properties": plan.properties}
        components[plan.component] = _component({"mappings": mappings})
    return components


def index_templates() -> dict[str, dict[str, Any]]:
    """Return every index template by its name."""
    return {
        plan.alias: {
            "index_patterns": [f"{plan.alias}-*"],
            "composed_of": [SETTINGS_COMPONENT, plan.component],
            "priority": PRIORITY,
            "version": TEMPLATE_VERSION,
            "_meta": meta(),
        }
        for plan in PLANS
    }


def meta() -> dict[str, Any]:
    """Return the mark by which a template or an index tells who made it."""
    return {"managed_by": "klinecast", "version": TEMPLATE_VERSION}


def _component(template: dict[str, Any]) -> dict[str, Any]:
    return {"template": template, "version": TEMPLATE_VERSION, "_meta": meta()}
