"""Checking saved objects for what Kibana accepts at the import and stumbles over later.

Kibana keeps panels as opaque text: a panel whose references, layers or columns do not fit
imports without a word and stays empty in the browser.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import orjson

from forecast_sink.dashboards.saved_objects import CORE_STAMP, STAMPS
from market.errors import DataError

Json = dict[str, Any]

_GRID_WIDTH = 48
_PANEL_TYPES = frozenset({"lens", "search", "visualization", "links"})
#: Operation -> is it a bucket, its scale, the field it needs.
_NUMBER, _ANY, _DATE = ("number",), ("number", "date", "string", "boolean"), ("date",)
_OPERATIONS: dict[str, tuple[bool, str, tuple[str, ...]]] = {
    "date_histogram": (True, "interval", _DATE),
    "terms": (True, "ordinal", _ANY),
    "average": (False, "ratio", _NUMBER),
    "sum": (False, "ratio", _NUMBER),
    "min": (False, "ratio", ("number", "date")),
    "max": (False, "ratio", ("number", "date")),
    "count": (False, "ratio", _NUMBER),
    "unique_count": (False, "ratio", _NUMBER),
    "last_value": (False, "ratio", _ANY),
    "cumulative_sum": (False, "ratio", _NUMBER),
    "static_value": (False, "ratio", _NUMBER),
}
_ACCESSORS = (
    *("xAccessor", "yAccessor", "valueAccessor", "splitAccessor"),
    *("metricAccessor", "secondaryMetricAccessor"),
)


def find_problems(ndjson: bytes) -> list[str]:
    """Return what is wrong with an NDJSON of saved objects, empty where nothing is.

    Raises:
        DataError: a line is not JSON.
    """
    objects = _parse(ndjson)
    known = {(item.get("type"), item.get("id")) for item in objects}
    problems = [*_duplicates(objects)]
    for item in objects:
        name = f"{item.get('type')} {item.get('id')}"
        found = [*_stamps(item), *_dangling(item, known)]
        if item.get("type") == "dashboard":
            found += _dashboard(item)
        problems += [f"{name}: {problem}" for problem in found]
    return problems


def _parse(ndjson: bytes) -> list[Json]:
    objects = []
    for number, line in enumerate(ndjson.splitlines(), start=1):
        try:
            objects.append(orjson.loads(line))
        except ValueError as error:
            raise DataError(f"line {number} is not JSON: {error}") from error
    return objects


def _duplicates(objects: list[Json]) -> Iterator[str]:
    counted = Counter((item.get("type"), item.get("id")) for item in objects)
    for (kind, identity), count in counted.items():
        if count > 1:
            yield f"{kind} {identity} is there {count} times"


def _stamps(item: Json) -> Iterator[str]:
    expected = STAMPS.get(item.get("type", ""))
    if expected is None:
        yield "this type is not one we make"
    elif item.get("typeMigrationVersion") != expected:
        yield f"typeMigrationVersion was {item.get('typeMigrationVersion')}; expected {expected}"
    if item.get("coreMigrationVersion") != CORE_STAMP:
        yield f"coreMigrationVersion was {item.get('coreMigrationVersion')}; expected {CORE_STAMP}"


def _dangling(item: Json, known: set[tuple[Any, Any]]) -> Iterator[str]:
    names = Counter(reference["name"] for reference in item["references"])
    for reference in item["references"]:
        if (reference["type"], reference["id"]) not in known:
            yield f"reference {reference['name']} names nothing in the file"
        if names[reference["name"]] > 1:
            yield f"reference {reference['name']} is there twice"


def _dashboard(item: Json) -> Iterator[str]:
    attributes = item["attributes"]
    references = {reference["name"]: reference for reference in item["references"]}
    panels = orjson.loads(attributes["panelsJSON"])
    yield from _grid(panels)
    for panel in panels:
        for problem in _panel(panel, references):
            yield f"panel {panel.get('panelIndex')}: {problem}"
    controls = orjson.loads(attributes["controlGroupInput"]["panelsJSON"])
    for identity, control in controls.items():
        wanted = control["explicitInput"]["dataViewId"]
        own = references.get(f"controlGroup_{identity}:optionsListDataView")
        if own is None or own["id"] != wanted or control["explicitInput"]["id"] != identity:
            yield f"control {identity} has no reference to its data view {wanted}"


def _grid(panels: list[Json]) -> Iterator[str]:
    for panel in panels:
        grid = panel["gridData"]
        if grid["i"] != panel["panelIndex"]:
            yield f"panel {panel['panelIndex']}: gridData.i was {grid['i']}"
        if grid["x"] < 0 or grid["x"] + grid["w"] > _GRID_WIDTH or min(grid["w"], grid["h"]) < 1:
            yield f"panel {panel['panelIndex']} leaves the grid of {_GRID_WIDTH} columns"
    for one, other in combinations(panels, 2):
        a, b = one["gridData"], other["gridData"]
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        if not (beside or below):
            yield f"panels {one['panelIndex']} and {other['panelIndex']} overlap"


def _panel(panel: Json, references: dict[str, Json]) -> Iterator[str]:
    kind, identity = panel["type"], panel["panelIndex"]
    config = panel["embeddableConfig"]
    if kind not in _PANEL_TYPES:
        yield f"type was {kind}; expected one of {' '.join(sorted(_PANEL_TYPES))}"
    if kind == "search" and f"{identity}:{panel['panelRefName']}" not in references:
        yield f"its search {panel['panelRefName']} is not referenced"
    if kind == "lens":
        yield from _lens(config["attributes"], identity, references)
        yield from _drilldowns(config["enhancements"], identity, references)
    if kind == "links":
        for link in config["attributes"]["links"]:
            if f"{identity}:{link['destinationRefName']}" not in references:
                yield f"its link {link['label']} is not referenced"
    if kind == "visualization" and config["savedVis"]["type"] == "vega":
        yield from _vega(orjson.loads(config["savedVis"]["params"]["spec"]))


def _drilldowns(enhancements: Json, identity: str, references: dict[str, Json]) -> Iterator[str]:
    for event in enhancements["dynamicActions"]["events"]:
        factory = event["action"]["factoryId"]
        name = f"{identity}:drilldown:{factory}:{event['eventId']}:dashboardId"
        if name not in references:
            yield f"its drill-down {event['eventId']} is not referenced"


def _lens(attributes: Json, identity: str, references: dict[str, Json]) -> Iterator[str]:
    state = attributes["state"]
    layers = state["datasourceStates"]["formBased"]["layers"]
    inner = {reference["name"]: reference["id"] for reference in attributes["references"]}
    for layer in layers:
        name = f"indexpattern-datasource-layer-{layer}"
        outer = references.get(f"{identity}:{name}", {}).get("id")
        if inner.get(name) is None or inner[name] != outer:
            yield f"layer {layer} must name its data view inside the panel and in the dashboard"
    for name, layer in layers.items():
        yield from (f"layer {name}: {problem}" for problem in _layer(layer))
    yield from _accessors(state["visualization"], layers)


def _layer(layer: Json) -> Iterator[str]:
    columns, order = layer["columns"], layer["columnOrder"]
    if sorted(columns) != sorted(order):
        yield f"columnOrder was {order}; the columns are {sorted(columns)}"
    buckets = [columns[name]["isBucketed"] for name in order if name in columns]
    if buckets != sorted(buckets, reverse=True):
        yield "buckets have to come before numbers in columnOrder"
    for name, column in columns.items():
        for part in column.get("references", []):
            if part not in columns:
                yield f"column {name} is made from {part}, which is no column"
        bucketed, scale, types = _OPERATIONS.get(column["operationType"], (None, None, ()))
        if bucketed is None:
            yield f"column {name}: operation {column['operationType']} is not one we use"
        elif (column["isBucketed"], column["scale"]) != (bucketed, scale):
            yield f"column {name}: {column['operationType']} needs {bucketed} and {scale}"
        elif column["dataType"] not in types:
            yield f"column {name}: {column['operationType']} of a {column['dataType']}"


def _accessors(visualization: Json, layers: Json) -> Iterator[str]:
    parts = visualization.get("layers", [visualization])
    if sorted(part["layerId"] for part in parts) != sorted(layers):
        yield f"the chart draws {[part['layerId'] for part in parts]} of layers {sorted(layers)}"
        return
    for part in parts:
        used = [part.get(name) for name in _ACCESSORS] + part.get("accessors", [])
        used += [config["forAccessor"] for config in part.get("yConfig", [])]
        used += [column["columnId"] for column in part.get("columns", [])]
        for accessor in used:
            if accessor is not None and accessor not in layers[part["layerId"]]["columns"]:
                yield f"{accessor} is no column of layer {part['layerId']}"


def _vega(specification: Json) -> Iterator[str]:
    for layer in specification["layer"]:
        url = layer["data"]["url"]
        if not url.get("%context%") or not url.get("%timefield%"):
            yield f"the query of {url['index']} ignores the dashboard's filters or its range"
        if "query" in url["body"]:
            yield f"the query of {url['index']} can't have one of its own beside the context"
