"""Lens: charts, figures, tables and heat maps in the shape of Kibana 8.18.

Every later Kibana takes that shape over. Names and optional keys follow what Kibana itself
exports; see ADR 0037 for the choice.
"""

from __future__ import annotations

from typing import Any

from forecast_sink.dashboards.description import Chart, Figure, HeatMap, Layer, Lens, Table
from forecast_sink.dashboards.filters import join_kql
from forecast_sink.dashboards.lens_layers import (
    build_layer,
    build_level,
    column_id,
    layer_id,
    terms_id,
    time_id,
)

Json = dict[str, Any]


def build_lens(panel: Lens) -> Json:
    """Return the `attributes` of a by-value Lens panel."""
    layers = layers_of(panel)
    forms = {layer_id(number): build_layer(number, layer) for number, layer in enumerate(layers)}
    views = [layer.view.alias for layer in layers]
    if isinstance(panel, Chart) and panel.levels:
        forms[layer_id(len(layers))] = build_level(len(layers), panel.levels)
        views.append(layers[0].view.alias)
    kind, visualization = _visualization(panel)
    return {
        "title": panel.title,
        "visualizationType": kind,
        "type": "lens",
        "references": [
            {
                "type": "index-pattern",
                "id": alias,
                "name": f"indexpattern-datasource-layer-{layer_id(number)}",
            }
            for number, alias in enumerate(views)
        ],
        "state": {
            "visualization": visualization,
            "query": {"query": join_kql(panel.filters), "language": "kuery"},
            "filters": [],
            "datasourceStates": {"formBased": {"layers": forms}},
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def layers_of(panel: Lens) -> tuple[Layer, ...]:
    """Return the layers of a panel that ask for documents."""
    return panel.layers if isinstance(panel, Chart) else (panel.layer,)


def _visualization(panel: Lens) -> tuple[str, Json]:
    if isinstance(panel, Chart):
        return "lnsXY", _xy(panel)
    if isinstance(panel, Table):
        return "lnsDatatable", _table(panel.layer)
    if isinstance(panel, HeatMap):
        return "lnsHeatmap", _heat_map()
    return "lnsMetric", _metric(panel)


def _xy(chart: Chart) -> Json:
    series = "line" if chart.kind == "line" else "bar_stacked"
    visible = {"x": False, "yLeft": True, "yRight": True}
    shown = {"x": True, "yLeft": True, "yRight": True}
    # Only lines may leave zero out; bars start there.
    extent = "dataBounds" if chart.kind == "line" else "full"
    layers = [_xy_layer(number, layer, series) for number, layer in enumerate(chart.layers)]
    if chart.levels:
        layers.append(_xy_levels(len(layers), chart))
    return {
        "preferredSeriesType": series,
        "legend": {"isVisible": True, "position": "bottom"},
        "valueLabels": "hide",
        "fittingFunction": "Linear" if chart.kind == "line" else "None",
        "yLeftExtent": {"mode": extent},
        "axisTitlesVisibilitySettings": visible,
        "tickLabelsVisibilitySettings": shown,
        "labelsOrientation": {"x": 0, "yLeft": 0, "yRight": 0},
        "gridlinesVisibilitySettings": shown,
        "layers": layers,
    }


def _xy_layer(number: int, layer: Layer, series: str) -> Json:
    names = [terms_id(number, i) for i in range(len(layer.terms))]
    axis = time_id(number) if layer.x else names.pop()
    shape: Json = {
        "layerId": layer_id(number),
        "layerType": "data",
        "seriesType": series,
        "xAccessor": axis,
        "accessors": [column_id(number, i) for i in range(len(layer.columns))],
        "yConfig": [
            {"forAccessor": column_id(number, i), "color": column.color, "axisMode": "left"}
            for i, column in enumerate(layer.columns)
            if column.color
        ],
    }
    if names:
        shape["splitAccessor"] = names[0]
    return shape


def _xy_levels(number: int, chart: Chart) -> Json:
    return {
        "layerId": layer_id(number),
        "layerType": "referenceLine",
        "accessors": [column_id(number, i) for i in range(len(chart.levels))],
        "yConfig": [
            {
                "forAccessor": column_id(number, i),
                "axisMode": "left",
                "color": level.color,
                "lineStyle": "dashed",
                "lineWidth": 1,
                "fill": "none",
                "textVisibility": True,
            }
            for i, level in enumerate(chart.levels)
        ],
    }


def _metric(figure: Figure) -> Json:
    shape: Json = {
        "layerId": layer_id(0),
        "layerType": "data",
        "metricAccessor": column_id(0, 0),
        "showBar": False,
    }
    if len(figure.layer.columns) > 1:
        shape["secondaryMetricAccessor"] = column_id(0, 1)
    return shape


def _table(layer: Layer) -> Json:
    rows = [terms_id(0, i) for i in range(len(layer.terms))]
    numbers = [column_id(0, i) for i in range(len(layer.columns))]
    return {
        "layerId": layer_id(0),
        "layerType": "data",
        "columns": [
            {"columnId": name, "isTransposed": False, "isMetric": name in numbers}
            for name in [*rows, *numbers]
        ],
        "paging": {"size": 20, "enabled": True},
        "rowHeight": "single",
    }


def _heat_map() -> Json:
    return {
        "layerId": layer_id(0),
        "layerType": "data",
        "shape": "heatmap",
        "xAccessor": time_id(0),
        "yAccessor": terms_id(0, 0),
        "valueAccessor": column_id(0, 0),
        "legend": {"type": "heatmap_legend", "isVisible": True, "position": "right"},
        "gridConfig": {
            "type": "heatmap_grid",
            "isCellLabelVisible": False,
            "isYAxisLabelVisible": True,
            "isXAxisLabelVisible": True,
            "isYAxisTitleVisible": False,
            "isXAxisTitleVisible": False,
        },
    }
