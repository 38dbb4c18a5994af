"""Panels: each as a dashboard holds it, with its references as the dashboard repeats them."""

from __future__ import annotations

from typing import Any

import orjson

from forecast_sink.dashboards.description import (
    Drawing,
    Lens,
    Links,
    Listing,
    Panel,
    Table,
    Text,
)
from forecast_sink.dashboards.lens import build_lens

Json = dict[str, Any]

NO_QUERY: Json = {"query": {"query": "", "language": "kuery"}, "filter": []}
_NO_DRILLDOWNS: Json = {"dynamicActions": {"events": []}}
_DRILLDOWN = "DASHBOARD_TO_DASHBOARD_DRILLDOWN"


def as_text(value: object) -> str:
    """Return JSON as the text that Kibana keeps most attributes in."""
    return orjson.dumps(value).decode()


def reference(kind: str, identity: str, name: str) -> Json:
    """Return a reference to another saved object."""
    return {"type": kind, "id": identity, "name": name}


def build_panel(panel: Panel) -> tuple[Json, list[Json]]:
    """Return the panel, and its references as the dashboard repeats them."""
    place = panel.place
    grid = {"x": place.x, "y": place.y, "w": place.width, "h": place.height, "i": panel.identity}
    kind, more, references = _content(panel)
    config = {"title": panel.title, **more}
    shape = {"type": kind, "panelIndex": panel.identity, "gridData": grid}
    if isinstance(panel, Listing):
        shape["panelRefName"] = f"panel_{panel.identity}"
    named = [{**one, "name": f"{panel.identity}:{one['name']}"} for one in references]
    return {**shape, "embeddableConfig": config}, named


def _content(panel: Panel) -> tuple[str, Json, list[Json]]:
    if isinstance(panel, Lens):
        attributes = build_lens(panel)
        enhancements, references = _drilldown(panel)
        more = {"attributes": attributes, "enhancements": enhancements}
        return "lens", more, [*attributes["references"], *references]
    if isinstance(panel, Listing):
        found = reference("search", panel.identity, f"panel_{panel.identity}")
        return "search", {"enhancements": _NO_DRILLDOWNS}, [found]
    if isinstance(panel, Links):
        return _links(panel)
    more = {"savedVis": _visualization(panel), "enhancements": _NO_DRILLDOWNS}
    return "visualization", more, []


def _drilldown(panel: Lens) -> tuple[Json, list[Json]]:
    if not isinstance(panel, Table) or not panel.opens:
        return _NO_DRILLDOWNS, []
    event = f"open-{panel.opens}"
    action = {
        "factoryId": _DRILLDOWN,
        "name": "Open with this selection",
        "config": {"useCurrentFilters": True, "useCurrentDateRange": True, "openInNewTab": False},
    }
    events = [{"eventId": event, "triggers": ["FILTER_TRIGGER"], "action": action}]
    name = f"drilldown:{_DRILLDOWN}:{event}:dashboardId"
    return {"dynamicActions": {"events": events}}, [reference("dashboard", panel.opens, name)]


def _links(panel: Links) -> tuple[str, Json, list[Json]]:
    names = [f"link_{identity}_dashboard" for identity, _ in panel.targets]
    links = [
        {
            "id": identity,
            "label": label,
            "order": order,
            "type": "dashboardLink",
            "destinationRefName": names[order],
            "options": {
                "openInNewTab": False,
                "useCurrentDateRange": False,
                "useCurrentFilters": True,
            },
        }
        for order, (identity, label) in enumerate(panel.targets)
    ]
    more = {"attributes": {"layout": "horizontal", "links": links}, "enhancements": {}}
    references = [
        reference("dashboard", identity, name)
        for name, (identity, _) in zip(names, panel.targets, strict=True)
    ]
    return "links", more, references


def _visualization(panel: Text | Drawing) -> Json:
    if isinstance(panel, Text):
        kind = "markdown"
        parameters: Json = {
            "markdown": panel.markdown,
            "fontSize": 12,
            "openLinksInNewTab": False,
        }
    else:
        kind, parameters = "vega", {"spec": as_text(panel.specification)}
    return {
        "id": "",
        "title": panel.title,
        "description": "",
        "type": kind,
        "params": parameters,
        "uiState": {},
        "data": {"aggs": [], "searchSource": NO_QUERY},
    }
