"""The dashboards' panels as Elasticsearch would be asked for them, and the answers drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from elasticsearch import Elasticsearch

from forecast_sink.dashboards.description import Chart, Dashboard, Figure, HeatMap, Listing, Table
from forecast_sink.dashboards.filters import Filter, join_kql, join_query

Json = dict[str, Any]

#: What `auto` stands for: an interval that Kibana would choose for some days.
_AUTO = "1h"


class PanelQuery(NamedTuple):
    """One layer of one Lens panel: the alias it asks, its columns, and the request's parts."""

    panel: str
    layer: str
    alias: str
    columns: Json
    order: list[str]
    filters: tuple[Filter, ...]
    aggregations: Json

    def ask(self, client: Elasticsearch, *more: Json) -> Json:
        """Return the answer, all hits counted; `more` are what controls would filter by."""
        query: Json = {"bool": {"filter": [join_query(self.filters), *more]}}
        return client.search(
            index=self.alias, size=0, track_total_hits=True, query=query, aggs=self.aggregations
        ).body


def objects_of(ndjson: bytes) -> list[Json]:
    """Return the saved objects of a file."""
    return [orjson.loads(line) for line in ndjson.splitlines()]


def panels_of(ndjson: bytes, dashboard: str) -> list[Json]:
    """Return the panels of a dashboard in a file."""
    (found,) = [one for one in objects_of(ndjson) if one["id"] == dashboard]
    panels: list[Json] = orjson.loads(found["attributes"]["panelsJSON"])
    return panels


def lens_queries(ndjson: bytes, dashboard: Dashboard) -> Iterator[PanelQuery]:
    """Yield each Lens layer of a dashboard as a query.

    The panel is what the file says; its filters are the description's, of which the panel's
    query has to be the text.
    """
    filters = {
        panel.identity: panel.filters
        for panel in dashboard.panels
        if isinstance(panel, Chart | Figure | Table | HeatMap | Listing)
    }
    for panel in panels_of(ndjson, dashboard.identity):
        if panel["type"] != "lens":
            continue
        attributes = panel["embeddableConfig"]["attributes"]
        own = filters[panel["panelIndex"]]
        assert attributes["state"]["query"]["query"] == join_kql(own)
        views = {reference["name"]: reference["id"] for reference in attributes["references"]}
        for name, layer in attributes["state"]["datasourceStates"]["formBased"]["layers"].items():
            alias = views[f"indexpattern-datasource-layer-{name}"]
            columns, order = layer["columns"], layer["columnOrder"]
            if any(column["operationType"] == "static_value" for column in columns.values()):
                continue  # a line at a fixed value asks nothing
            nested = _nest(columns, order)
            yield PanelQuery(panel["panelIndex"], name, alias, columns, order, own, nested)


def _nest(columns: Json, order: list[str]) -> Json:
    numbers = {
        name: _number(columns[name])
        for name in order
        if not columns[name]["isBucketed"] and columns[name]["operationType"] != "count"
    }
    buckets = [name for name in order if columns[name]["isBucketed"]]
    for name in reversed(buckets):
        numbers = {name: {**_bucket(columns[name]), "aggs": numbers}}
    return numbers


def _bucket(column: Json) -> Json:
    field, parameters = column["sourceField"], column["params"]
    if column["operationType"] == "terms":
        return {"terms": {"field": field, "size": parameters["size"], "order": {"_key": "asc"}}}
    interval = interval_of(column)
    return {"date_histogram": {"field": field, "fixed_interval": interval, "min_doc_count": 0}}


def interval_of(column: Json) -> str:
    """Return the length of a date histogram's buckets."""
    interval: str = column["params"]["interval"]
    return _AUTO if interval == "auto" else interval


def _number(column: Json) -> Json:
    operation = column["operationType"]
    if operation == "cumulative_sum":
        return {"cumulative_sum": {"buckets_path": column["references"][0]}}
    field = column["sourceField"]
    if operation == "last_value":
        # Kibana asks for top_metrics, which only the full distribution has.
        sort = [{column["params"]["sortField"]: "desc"}]
        return {"top_hits": {"size": 1, "sort": sort, "_source": [field]}}
    names = {"average": "avg", "unique_count": "cardinality"}
    return {names.get(operation, operation): {"field": field}}


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
