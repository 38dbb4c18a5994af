"""The dashboard's panels as Elasticsearch would be asked for them, and the answers drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from elasticsearch import Elasticsearch

Json = dict[str, Any]


class PanelQuery(NamedTuple):
    """One layer of one Lens panel: the alias it asks, its columns, its aggregations."""

    panel: str
    alias: str
    columns: Json
    aggregations: Json


def panels_of(ndjson: bytes) -> list[Json]:
    """Return the panels of the only dashboard in a file."""
    objects = [orjson.loads(line) for line in ndjson.splitlines()]
    (dashboard,) = [item for item in objects if item["type"] == "dashboard"]
    panels: list[Json] = orjson.loads(dashboard["attributes"]["panelsJSON"])
    return panels


def lens_queries(panels: list[Json]) -> Iterator[PanelQuery]:
    """Yield each Lens layer as a query."""
    for panel in panels:
        if panel["type"] != "lens":
            continue
        attributes = panel["embeddableConfig"]["attributes"]
        views = {reference["name"]: reference["id"] for reference in attributes["references"]}
        for name, layer in attributes["state"]["datasourceStates"]["formBased"]["layers"].items():
            alias = views[f"indexpattern-datasource-layer-{name}"]
            columns = layer["columns"]
            yield PanelQuery(panel["panelIndex"], alias, columns, _nest(columns, layer))


def _nest(columns: Json, layer: Json) -> Json:
    order = layer["columnOrder"]
    numbers = {
        name: _number(columns[name])
        for name in order
        if not columns[name]["isBucketed"] and columns[name]["operationType"] != "count"
    }
    buckets = [name for name in order if columns[name]["isBucketed"]]
    for name in reversed(buckets):
        field = columns[name]["sourceField"]
        histogram = {"field": field, "fixed_interval": "1h", "min_doc_count": 1}
        numbers = {name: {"date_histogram": histogram, "aggs": numbers}}
    return numbers


def _number(column: Json) -> Json:
    field = column["sourceField"]
    if column["operationType"] == "last_value":
        # Kibana asks for top_metrics, which only the full distribution has.
        sort = [{column["params"]["sortField"]: "desc"}]
        return {"top_hits": {"size": 1, "sort": sort, "_source": [field]}}
    return {
        {"average": "avg"}.get(column["operationType"], column["operationType"]): {"field": field}
    }


def fill_specification(client: Elasticsearch, specification: Json, series: Json) -> Json:
    """Return a Vega specification with its queries replaced by their answers.

    `series` is the filter that the dashboard's controls put into every query.
    """
    filled: Json = orjson.loads(orjson.dumps(specification))
    for layer in filled["layer"]:
        url = layer["data"].pop("url")
        rows: Any = client.search(
            index=url["index"],
            query={"bool": {"filter": [{"term": {name: value}} for name, value in series.items()]}},
            **{name.lstrip("_"): value for name, value in _arguments(url["body"]).items()},
        ).body
        for name in layer["data"].pop("format")["property"].split("."):
            rows = rows[name]
        layer["data"]["values"] = rows
    return filled


def _arguments(body: Json) -> Json:
    return {("source" if name == "_source" else name): value for name, value in body.items()}
