"""Saved objects: a described dashboard as the NDJSON that Kibana imports.

Every object carries the stamps of the versions whose shape it has: without them an import
runs migrations for shapes a decade old, with newer ones an older Kibana refuses it.
"""

from __future__ import annotations

from typing import Any

import orjson

from forecast_sink.dashboards.description import (
    Chart,
    Control,
    Dashboard,
    DataView,
    Drawing,
    Figure,
    Listing,
    Panel,
    Text,
)
from forecast_sink.dashboards.lens import build_lens

Json = dict[str, Any]

CORE_STAMP = "8.8.0"
STAMPS = {
    "tag": "8.0.0",
    "index-pattern": "8.0.0",
    "search": "10.5.0",
    "dashboard": "10.2.0",
}
TAG = "klinecast"
_NO_QUERY: Json = {"query": {"query": "", "language": "kuery"}, "filter": []}
_NO_DRILLDOWNS: Json = {"dynamicActions": {"events": []}}


def build_ndjson(*dashboards: Dashboard) -> bytes:
    """Return the saved objects of the dashboards, one a line, each only once."""
    objects: dict[tuple[str, str], Json] = {}
    for dashboard in dashboards:
        for item in _objects(dashboard):
            objects[item["type"], item["id"]] = item
    return b"".join(orjson.dumps(item) + b"\n" for item in objects.values())


def _objects(dashboard: Dashboard) -> list[Json]:
    listings = [panel for panel in dashboard.panels if isinstance(panel, Listing)]
    return [
        _tag(),
        *(_data_view(view) for view in dashboard.views),
        *(_search(listing) for listing in listings),
        _dashboard(dashboard),
    ]


def _object(kind: str, identity: str, attributes: Json, references: list[Json]) -> Json:
    return {
        "type": kind,
        "id": identity,
        "attributes": attributes,
        "references": references,
        "managed": False,
        "coreMigrationVersion": CORE_STAMP,
        "typeMigrationVersion": STAMPS[kind],
    }


def _reference(kind: str, identity: str, name: str) -> Json:
    return {"type": kind, "id": identity, "name": name}


def _tag_reference() -> Json:
    return _reference("tag", TAG, f"tag-ref-{TAG}")


def _text(value: object) -> str:
    """Return JSON as the text that Kibana keeps most attributes in."""
    return orjson.dumps(value).decode()


def _tag() -> Json:
    attributes = {"name": "Klinecast", "description": "Made by Klinecast", "color": "#6092C0"}
    return _object("tag", TAG, attributes, [])


def _data_view(view: DataView) -> Json:
    formats = {
        name: {"id": "number", "params": {"pattern": "0,0.00[000000]"}}
        for name, mapping in view.fields.items()
        if mapping["type"] == "double"
    }
    attributes = {
        "title": view.alias,
        "name": view.name,
        "timeFieldName": view.time_field,
        "allowNoIndex": True,
        "fields": "[]",
        "fieldAttrs": "{}",
        "fieldFormatMap": _text(formats),
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    }
    return _object("index-pattern", view.alias, attributes, [])


def _search(listing: Listing) -> Json:
    reference = "kibanaSavedObjectMeta.searchSourceJSON.index"
    attributes = {
        "title": f"Klinecast - {listing.title.lower()}",
        "description": "",
        "columns": list(listing.columns),
        "sort": [list(pair) for pair in listing.sort],
        "grid": {},
        "hideChart": True,
        "isTextBasedQuery": False,
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": _text({**_NO_QUERY, "indexRefName": reference})
        },
    }
    references = [_reference("index-pattern", listing.view.alias, reference), _tag_reference()]
    return _object("search", listing.identity, attributes, references)


def _dashboard(dashboard: Dashboard) -> Json:
    panels = [_panel(panel) for panel in dashboard.panels]
    references = [reference for _, own in panels for reference in own]
    for control in dashboard.controls:
        name = f"controlGroup_{_control_id(control)}:optionsListDataView"
        references.append(_reference("index-pattern", control.view.alias, name))
    attributes = {
        "title": dashboard.title,
        "description": dashboard.description,
        "version": 1,
        "timeRestore": True,
        "timeFrom": dashboard.start,
        "timeTo": dashboard.end,
        "refreshInterval": {"pause": False, "value": 30_000},
        "optionsJSON": _text(
            {
                "useMargins": True,
                "syncColors": False,
                "syncCursor": True,
                "syncTooltips": False,
                "hidePanelTitles": False,
            }
        ),
        "panelsJSON": _text([panel for panel, _ in panels]),
        "controlGroupInput": _controls(dashboard.controls),
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text(_NO_QUERY)},
    }
    return _object("dashboard", dashboard.identity, attributes, [*references, _tag_reference()])


def _panel(panel: Panel) -> tuple[Json, list[Json]]:
    """Return the panel, and its references as the dashboard repeats them."""
    place = panel.place
    grid = {"x": place.x, "y": place.y, "w": place.width, "h": place.height, "i": panel.identity}
    common = {"panelIndex": panel.identity, "gridData": grid}
    if isinstance(panel, Chart | Figure):
        attributes = build_lens(panel)
        references = [
            {**reference, "name": f"{panel.identity}:{reference['name']}"}
            for reference in attributes["references"]
        ]
        config = {
            "title": panel.title,
            "attributes": attributes,
            "enhancements": _NO_DRILLDOWNS,
        }
        return {"type": "lens", **common, "embeddableConfig": config}, references
    if isinstance(panel, Listing):
        name = f"panel_{panel.identity}"
        config = {"title": panel.title, "enhancements": _NO_DRILLDOWNS}
        reference = _reference("search", panel.identity, f"{panel.identity}:{name}")
        shape = {"type": "search", **common, "panelRefName": name, "embeddableConfig": config}
        return shape, [reference]
    return {
        "type": "visualization",
        **common,
        "embeddableConfig": {
            "title": panel.title,
            "savedVis": _visualization(panel),
            "enhancements": _NO_DRILLDOWNS,
        },
    }, []


def _visualization(panel: Text | Drawing) -> Json:
    if isinstance(panel, Text):
        kind = "markdown"
        parameters: Json = {
            "markdown": panel.markdown,
            "fontSize": 12,
            "openLinksInNewTab": False,
        }
    else:
        kind, parameters = "vega", {"spec": _text(panel.specification)}
    return {
        "id": "",
        "title": panel.title,
        "description": "",
        "type": kind,
        "params": parameters,
        "uiState": {},
        "data": {"aggs": [], "searchSource": _NO_QUERY},
    }


def _control_id(control: Control) -> str:
    return f"control-{control.field}"


def _controls(controls: tuple[Control, ...]) -> Json:
    ignored = ("Filters", "Query", "Timerange", "Validations")
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "showApplySelections": False,
        "ignoreParentSettingsJSON": _text({f"ignore{name}": False for name in ignored}),
        "panelsJSON": _text(
            {
                _control_id(control): {
                    "type": "optionsListControl",
                    "order": order,
                    "width": "medium",
                    "grow": True,
                    "explicitInput": {
                        "id": _control_id(control),
                        "dataViewId": control.view.alias,
                        "fieldName": control.field,
                        "title": control.title,
                        "searchTechnique": "prefix",
                        "selectedOptions": list(control.selected),
                        "singleSelect": control.single,
                        "sort": {"by": "_key", "direction": "asc"},
                    },
                }
                for order, control in enumerate(controls)
            }
        ),
    }
