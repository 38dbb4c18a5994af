"""Saved objects: a described dashboard as the NDJSON that Kibana imports.

Every object carries the stamps of the versions whose shape it has: without them an import
runs migrations for shapes a decade old, with newer ones an older Kibana refuses it.
"""

from __future__ import annotations

from typing import Any

import orjson

from forecast_sink.dashboards.description import Control, Dashboard, DataView, Listing
from forecast_sink.dashboards.filters import join_kql
from forecast_sink.dashboards.panels import NO_QUERY, as_text, build_panel, reference

Json = dict[str, Any]

CORE_STAMP = "8.8.0"
STAMPS = {
    "tag": "8.0.0",
    "index-pattern": "8.0.0",
    "search": "10.5.0",
    "dashboard": "10.2.0",
}
TAG = "klinecast"


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


def _tag_reference() -> Json:
    return reference("tag", TAG, f"tag-ref-{TAG}")


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
        "fieldFormatMap": as_text(formats),
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    }
    return _object("index-pattern", view.alias, attributes, [])


def _search(listing: Listing) -> Json:
    name = "kibanaSavedObjectMeta.searchSourceJSON.index"
    query = {"query": join_kql(listing.filters), "language": "kuery"}
    attributes = {
        "title": f"Klinecast - {listing.title.lower()}",
        "description": "",
        "columns": list(listing.columns),
        "sort": [list(pair) for pair in listing.sort],
        "grid": {},
        "hideChart": True,
        "isTextBasedQuery": False,
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": as_text({"query": query, "filter": [], "indexRefName": name})
        },
    }
    references = [reference("index-pattern", listing.view.alias, name), _tag_reference()]
    return _object("search", listing.identity, attributes, references)


def _dashboard(dashboard: Dashboard) -> Json:
    panels = [build_panel(panel) for panel in dashboard.panels]
    references = [one for _, own in panels for one in own]
    for control in dashboard.controls:
        name = f"controlGroup_{_control_id(control)}:optionsListDataView"
        references.append(reference("index-pattern", control.view.alias, name))
    attributes = {
        "title": dashboard.title,
        "description": dashboard.description,
        "version": 1,
        "timeRestore": True,
        "timeFrom": dashboard.start,
        "timeTo": dashboard.end,
        "refreshInterval": {"pause": False, "value": 30_000},
        "optionsJSON": as_text(
            {
                "useMargins": True,
                "syncColors": False,
                "syncCursor": True,
                "syncTooltips": False,
                "hidePanelTitles": False,
            }
        ),
        "panelsJSON": as_text([panel for panel, _ in panels]),
        "controlGroupInput": _controls(dashboard.controls),
        "kibanaSavedObjectMeta": {"searchSourceJSON": as_text(NO_QUERY)},
    }
    return _object("dashboard", dashboard.identity, attributes, [*references, _tag_reference()])


def _control_id(control: Control) -> str:
    return f"control-{control.field}"


def _controls(controls: tuple[Control, ...]) -> Json:
    ignored = ("Filters", "Query", "Timerange", "Validations")
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "showApplySelections": False,
        "ignoreParentSettingsJSON": as_text({f"ignore{name}": False for name in ignored}),
        "panelsJSON": as_text(
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
