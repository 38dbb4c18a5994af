"""Alert rules: what Kibana is sent, and whether their queries find what they are for.

No real Kibana has been seen: requests are checked against the documented form.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from elasticsearch import Elasticsearch

from forecast_sink.alerts import RULES, build_rule, install_alerts
from forecast_sink.dashboards.filters import join_query
from forecast_sink.installation import install_indices
from forecast_sink.kibana import Kibana, set_default_view
from forecast_sink.patience import Patience
from market.errors import Conflict, SettingsError
from support.recording_server import RecordingServer, recording

CONNECTORS = ("klinecast-log", "klinecast-alerts")


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    """A server in Kibana's place."""
    with recording() as opened:
        yield opened


def routes() -> list[str]:
    connectors = [f"/api/actions/connector/{name}" for name in CONNECTORS]
    return connectors + [f"/api/alerting/rule/{rule.rule_id}" for rule in RULES]


def test_rules_and_connectors_are_created(server: RecordingServer) -> None:
    for route in routes():
        server.answer(f"POST {route}", (200, {}))

    told = install_alerts(Kibana.at(server.url), Patience(0))

    assert told == "5 rules and 2 connectors in place"
    assert [(one.method, one.path) for one in server.requests] == [("POST", r) for r in routes()]
    assert {one.headers["kbn-xsrf"] for one in server.requests} == {"true"}
    bodies = [orjson.loads(one.body) for one in server.requests]
    kinds = [body["connector_type_id"] for body in bodies[:2]]
    assert kinds == [".server-log", ".index"]  # those of the basic licence
    for rule in bodies[2:]:
        assert rule["rule_type_id"] in (".es-query", ".index-threshold")
        assert rule["consumer"] == "stackAlerts"
        assert {action["id"] for action in rule["actions"]} == set(CONNECTORS)


def test_what_exists_is_brought_up_to_date(server: RecordingServer) -> None:
    for route in routes():
        server.answer(f"POST {route}", (409, {"message": "exists"}))
        server.answer(f"PUT {route}", (200, {}))

    install_alerts(Kibana.at(server.url), Patience(0))

    changed = [orjson.loads(one.body) for one in server.requests if one.method == "PUT"]
    assert len(changed) == len(routes())
    for body in changed:
        assert not {"rule_type_id", "consumer", "connector_type_id"} & set(body)


@pytest.mark.parametrize(
    ("status", "error"), [(400, Conflict), (403, SettingsError), (401, SettingsError)]
)
def test_refusal_is_told(server: RecordingServer, status: int, error: type[Exception]) -> None:
    server.answer(f"POST {routes()[0]}", (status, {"message": "encryption key is missing"}))

    with pytest.raises(error, match="encryption key is missing"):
        install_alerts(Kibana.at(server.url), Patience(0))


def test_default_view_is_set_where_kibana_knows_how(server: RecordingServer) -> None:
    assert not set_default_view(Kibana.at(server.url), "klinecast-forecasts")

    server.answer("POST /api/data_views/default", (200, {"acknowledged": True}))
    assert set_default_view(Kibana.at(server.url), "klinecast-forecasts")
    body = orjson.loads(server.requests[-1].body)
    assert body == {"data_view_id": "klinecast-forecasts", "force": True}


HEALTHY = {"checked_at": "2024-06-18T00:00:00Z", "is_late": 0}
LATE = {**HEALTHY, "is_late": 1}
STEP: dict[str, Any] = {"step": 1, "target_time": "2024-06-18T00:00:00Z", "champion": True}
RUN = {"kind": "run", "changed_at": "2024-06-18T00:00:00Z"}
EXAMPLES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no-fresh-kline": ({**LATE, "scope": "series"}, {**HEALTHY, "scope": "series"}),
    "forecasts-silent": (STEP, {**STEP, "step": 2}),
    "coverage-below-band": ({**STEP, "actual": 1.0, "in_band_80": 0}, STEP),
    "training-failed": ({**RUN, "state": "failed"}, {**RUN, "state": "done"}),
    "dead-letters": ({**LATE, "service": "sink"}, {**LATE, "service": "models"}),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.identity))
def test_query_of_a_rule_finds_what_it_is_for_and_no_more(client: Elasticsearch, rule: Any) -> None:
    install_indices(client)
    for number, body in enumerate(EXAMPLES[rule.identity]):
        client.index(index=rule.plan.alias, id=str(number), document=body, refresh=True)

    hits = client.search(index=rule.plan.alias, query=join_query(rule.filters))["hits"]["hits"]

    assert [hit["_id"] for hit in hits] == ["0"]
    fields = client.field_caps(index=rule.plan.alias, fields="*")["fields"]
    assert "date" in fields[rule.time_field]
    assert not rule.field or rule.field in fields
    parameters = build_rule(rule)["params"]
    if "esQuery" in parameters:
        assert orjson.loads(parameters["esQuery"]) == {"query": join_query(rule.filters)}
