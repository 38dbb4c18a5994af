"""Lens layers: columns with their operations, in the order in which their buckets nest."""

from __future__ import annotations

from typing import Any

from forecast_sink.dashboards.description import Column, DataView, Layer, Level, Terms

Json = dict[str, Any]

_DATA_TYPES = {"date": "date", "keyword": "string", "boolean": "boolean"}


def layer_id(number: int) -> str:
    """Return the id of a panel's layer."""
    return f"layer-{number}"


def column_id(number: int, position: int) -> str:
    """Return the id of a layer's number; its time axis is `x-<layer>`."""
    return f"column-{number}-{position}"


def terms_id(number: int, position: int) -> str:
    """Return the id of a layer's terms."""
    return f"terms-{number}-{position}"


def time_id(number: int) -> str:
    """Return the id of a layer's date histogram."""
    return f"x-{number}"


def build_layer(number: int, layer: Layer) -> Json:
    """Return a layer: terms, then the time, then numbers."""
    columns: Json = {
        terms_id(number, i): _terms(terms, layer.view) for i, terms in enumerate(layer.terms)
    }
    if layer.x:
        columns[time_id(number)] = _time(layer)
    for position, column in enumerate(layer.columns):
        identity = column_id(number, position)
        if column.operation == "cumulative_sum":
            part = f"{identity}-part"
            summed = Column(f"Part of {column.label}", "sum", column.source)
            columns[part] = _column(summed, layer.view)
            columns[identity] = _cumulative(column, part)
        else:
            columns[identity] = _column(column, layer.view)
    return _layer(columns)


def build_level(number: int, levels: tuple[Level, ...]) -> Json:
    """Return the layer of a chart's lines at fixed values."""
    return _layer(
        {
            column_id(number, i): {
                "label": level.label,
                "customLabel": True,
                "dataType": "number",
                "operationType": "static_value",
                "isStaticValue": True,
                "isBucketed": False,
                "scale": "ratio",
                "params": {"value": str(level.value)},
                "references": [],
            }
            for i, level in enumerate(levels)
        }
    )


def _layer(columns: Json) -> Json:
    return {
        "columns": columns,
        "columnOrder": list(columns),
        "incompleteColumns": {},
        "sampling": 1,
    }


def _data_type(view: DataView, field: str) -> str:
    return _DATA_TYPES.get(str(view.fields[field]["type"]), "number")


def _time(layer: Layer) -> Json:
    return {
        "label": layer.x,
        "customLabel": False,
        "dataType": "date",
        "operationType": "date_histogram",
        "sourceField": layer.x,
        "isBucketed": True,
        "scale": "interval",
        "params": {"interval": layer.interval, "includeEmptyRows": True, "dropPartials": False},
    }


def _terms(terms: Terms, view: DataView) -> Json:
    return {
        "label": terms.label,
        "customLabel": True,
        "dataType": _data_type(view, terms.field),
        "operationType": "terms",
        "sourceField": terms.field,
        "isBucketed": True,
        "scale": "ordinal",
        "params": {
            "size": terms.size,
            "orderBy": {"type": "alphabetical", "fallback": True},
            "orderDirection": "asc",
            "otherBucket": False,
            "missingBucket": False,
            "parentFormat": {"id": "terms"},
            "include": [],
            "exclude": [],
            "includeIsRegex": False,
            "excludeIsRegex": False,
        },
    }


def _cumulative(column: Column, part: str) -> Json:
    return {
        "label": column.label,
        "customLabel": True,
        "dataType": "number",
        "operationType": "cumulative_sum",
        "isBucketed": False,
        "scale": "ratio",
        "references": [part],
        "params": _format(column),
    }


def _column(column: Column, view: DataView) -> Json:
    data_type = "number"
    if column.source is not None and column.operation != "unique_count":
        data_type = _data_type(view, column.source)
    shape: Json = {
        "label": column.label,
        "customLabel": True,
        "dataType": data_type,
        "operationType": column.operation,
        # "___records___" is how Lens spells a count of documents.
        "sourceField": column.source or "___records___",
        "isBucketed": False,
        "scale": "ratio",
        "params": {"emptyAsNull": True, **_format(column)},
    }
    if column.operation == "last_value":
        last = {"sortField": column.sort_field, "showArrayValues": False}
        shape["params"] = {**last, **_format(column)}
        shape["filter"] = {"query": f'"{column.source}": *', "language": "kuery"}
    return shape


def _format(column: Column) -> Json:
    if column.decimals is None and not column.percent:
        return {}
    decimals = {"decimals": 1 if column.decimals is None else column.decimals}
    return {"format": {"id": "percent" if column.percent else "number", "params": decimals}}
