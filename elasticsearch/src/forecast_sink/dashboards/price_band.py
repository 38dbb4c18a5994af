"""The price band: candles over the forecast's quantile bands, in Vega-Lite.

Lens can't draw it: its areas always reach down to zero.
"""

from __future__ import annotations

from typing import Any

from forecast_sink.indices import FORECASTS, KLINES

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_UP, _DOWN, _BAND = "#54B399", "#E7664C", "#6092C0"
#: Wide band first, so that the narrower ones lie on it.
_BANDS = (("q025", "q975", 0.15), ("q10", "q90", 0.2), ("q25", "q75", 0.3))
_MOST = 2000


def build_price_band() -> dict[str, Any]:
    """Return the specification; Kibana puts the dashboard's filters and range into its queries."""
    return {
        "$schema": _SCHEMA,
        "autosize": {"type": "fit", "contains": "padding"},
        "config": {"view": {"stroke": None}},
        "encoding": {
            "x": {"field": "time", "type": "temporal", "axis": {"title": None}},
            "y": {
                "type": "quantitative",
                "scale": {"zero": False},
                "axis": {"title": "Price (quote currency)"},
            },
        },
        "layer": [_forecast_layer(), _candle_layer()],
    }


def _forecast_layer() -> dict[str, Any]:
    fields = sorted({name for low, high, _ in _BANDS for name in (low, high)} | {"q50"})
    # Of all forecasts for one time the champion's newest, else the newest of any model.
    # (A search can't be collapsed by a date, so the times are buckets.)
    newest = {
        "size": 1,
        "_source": ["target_time", "model", "step", *fields],
        "sort": [{"champion": "desc"}, {"cutoff": "desc"}],
    }
    times = {"field": "target_time", "size": _MOST, "order": {"_key": "desc"}}
    body = {
        "size": 0,
        "aggs": {"times": {"terms": times, "aggs": {"newest": {"top_hits": newest}}}},
    }
    tooltip = [
        {"field": "time", "type": "temporal", "title": "Target", "format": "%Y-%m-%d %H:%M"},
        {"field": "model", "type": "nominal", "title": "Model"},
        {"field": "step", "type": "quantitative", "title": "Steps ahead"},
        *({"field": name, "type": "quantitative", "format": ",.2f"} for name in fields),
    ]
    return {
        "data": _search(FORECASTS.alias, "target_time", body, "aggregations.times.buckets"),
        "transform": _take("newest.hits.hits[0]._source", "target_time", "model", "step", *fields),
        "layer": [
            *(
                {
                    "mark": {"type": "area", "color": _BAND, "opacity": opacity},
                    "encoding": {
                        "y": {"field": low, "type": "quantitative"},
                        "y2": {"field": high},
                    },
                }
                for low, high, opacity in _BANDS
            ),
            {
                "mark": {"type": "line", "color": _BAND, "strokeWidth": 1.5, "tooltip": True},
                "encoding": {"y": {"field": "q50", "type": "quantitative"}, "tooltip": tooltip},
            },
        ],
    }


def _candle_layer() -> dict[str, Any]:
    prices = ("open", "high", "low", "close")
    body = {
        "size": _MOST,
        "_source": ["close_time", *prices],
        "sort": [{"close_time": "desc"}],
    }
    color = {"condition": {"test": "datum.open <= datum.close", "value": _UP}, "value": _DOWN}
    tooltip = [
        {"field": "time", "type": "temporal", "title": "Closed", "format": "%Y-%m-%d %H:%M"},
        *({"field": name, "type": "quantitative", "format": ",.2f"} for name in prices),
    ]
    return {
        "data": _search(KLINES.alias, "open_time", body, "hits.hits"),
        # By close time, which is what a forecast aims at.
        "transform": _take("_source", "close_time", *prices),
        "layer": [
            {
                "mark": {"type": "rule"},
                "encoding": {
                    "y": {"field": "low", "type": "quantitative"},
                    "y2": {"field": "high"},
                    "color": color,
                },
            },
            {
                "mark": {"type": "bar", "size": 3},
                "encoding": {
                    "y": {"field": "open", "type": "quantitative"},
                    "y2": {"field": "close"},
                    "color": color,
                    "tooltip": tooltip,
                },
            },
        ],
    }


def _search(index: str, time_field: str, body: dict[str, Any], rows: str) -> dict[str, Any]:
    url = {"%context%": True, "%timefield%": time_field, "index": index, "body": body}
    return {"name": index, "url": url, "format": {"property": rows}}


def _take(document: str, time: str, *fields: str) -> list[dict[str, str]]:
    return [
        {"calculate": f"toDate(datum.{document}.{time})", "as": "time"},
        *({"calculate": f"datum.{document}.{name}", "as": name} for name in fields),
    ]
