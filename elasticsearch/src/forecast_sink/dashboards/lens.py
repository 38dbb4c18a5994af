"""Lens: charts and figures in the shape of Kibana 8.18, which every later one takes over.

Names and optional keys follow what Kibana itself exports; see ADR 0037 for the choice.
"""

from __future__ import annotations

from typing import Any

from forecast_sink.dashboards.description import Chart, Column, DataView, Figure, Layer

Json = dict[str, Any]

_DATA_TYPES = {"date": "date", "keyword": "string", "boolean": "boolean"}
_BUCKETED = frozenset({"date_histogram"})


def build_lens(panel: Chart | Figure) -> Json:
    """Return the `attributes` of a by-value Lens panel."""
    layers = panel.layers if isinstance(panel, Chart) else (panel.layer,)
    visualization, kind = (
        (_xy(panel), "lnsXY") if isinstance(panel, Chart) else (_metric(), "lnsMetric")
    )
    return {
        "title": panel.title,
        "visualizationType": kind,
        "type": "lens",
        "references": [
            {
                "type": "index-pattern",
                "id": layer.view.alias,
                "name": f"indexpattern-datasource-layer-{layer_id(number)}",
            }
            for number, layer in enumerate(layers)
        ],
        "state": {
            "visualization": visualization,
            "query": {"query": "", "language": "kuery"},
            "filters": [],
            "datasourceStates": {
                "formBased": {
                    "layers": {
                        layer_id(number): _form(number, layer)
                        for number, layer in enumerate(layers)
                    }
                }
            },
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def layer_id(number: int) -> str:
    """Return the id of a panel's layer."""
    return f"layer-{number}"


def column_id(number: int, position: int) -> str:
    """Return the id of a layer's number; its time axis is `x-<layer>`."""
    return f"column-{number}-{position}"


def _xy(chart: Chart) -> Json:
    series = "line" if chart.kind == "line" else "bar"
    visible = {"x": False, "yLeft": True, "yRight": True}
    shown = {"x": True, "yLeft": True, "yRight": True}
    # Only lines may leave zero out; bars start there.
    extent = "dataBounds" if chart.kind == "line" else "full"
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
        "layers": [
            {
                "layerId": layer_id(number),
                "layerType": "data",
                "seriesType": series,
                "xAccessor": f"x-{number}",
                "accessors": [column_id(number, i) for i in range(len(layer.columns))],
                "yConfig": [
                    {
                        "forAccessor": column_id(number, i),
                        "color": column.color,
                        "axisMode": "left",
                    }
                    for i, column in enumerate(layer.columns)
                    if column.color
                ],
            }
            for number, layer in enumerate(chart.layers)
        ],
    }


def _metric() -> Json:
    return {
        "layerId": layer_id(0),
        "layerType": "data",
        "metricAccessor": column_id(0, 0),
        "showBar": False,
    }


def _form(number: int, layer: Layer) -> Json:
    columns: Json = {}
    if layer.x:
        columns[f"x-{number}"] = _column(Column(layer.x, "date_histogram", layer.x), layer.view)
    for position, column in enumerate(layer.columns):
        columns[column_id(number, position)] = _column(column, layer.view)
    return {
        "columns": columns,
        "columnOrder": list(columns),
        "incompleteColumns": {},
        "sampling": 1,
    }


def _column(column: Column, view: DataView) -> Json:
    bucketed = column.operation in _BUCKETED
    data_type = "number"
    if column.source is not None and column.operation != "unique_count":
        kind = str(view.fields[column.source]["type"])
        data_type = _DATA_TYPES.get(kind, "number")
    shape: Json = {
        "label": column.label,
        "customLabel": not bucketed,
        "dataType": data_type,
        "operationType": column.operation,
        # "___records___" is how Lens spells a count of documents.
        "sourceField": column.source or "___records___",
        "isBucketed": bucketed,
        "scale": "interval" if bucketed else "ratio",
        "params": _parameters(column),
    }
    if column.operation == "last_value":
        shape["filter"] = {"query": f'"{column.source}": *', "language": "kuery"}
    return shape


def _parameters(column: Column) -> Json:
    if column.operation == "date_histogram":
        return {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}
    parameters: Json = {"emptyAsNull": True}
    if column.operation == "last_value":
        parameters = {"sortField": column.sort_field, "showArrayValues": False}
    if column.decimals is not None:
        decimals = {"decimals": column.decimals}
        parameters["format"] = {"id": "number", "params": decimals}
    return parameters
