"""Alert rules in Kibana, created and kept up to date through its API.

Each rule is a query over the health, forecast or run index; it writes to the index
`klinecast-alerts` and to Kibana's log, by connectors that every licence has.

Source: https://www.elastic.co/docs/api/doc/kibana/v8/group/endpoint-alerting
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from forecast_sink.dashboards.filters import Filter, join_query
from forecast_sink.indices import FORECASTS, HEALTH, RUNS, IndexPlan
from forecast_sink.kibana import Kibana, call_api, expect_done
from forecast_sink.patience import Patience

Json = dict[str, Any]

_CONNECTORS: dict[str, Json] = {
    "klinecast-log": {
        "name": "Klinecast log",
        "connector_type_id": ".server-log",
        "config": {},
        "secrets": {},
    },
    "klinecast-alerts": {
        "name": "Klinecast alerts",
        "connector_type_id": ".index",
        "config": {
            "index": "klinecast-alerts",
            "refresh": False,
            "executionTimeField": "@timestamp",
        },
        "secrets": {},
    },
}
#: Of which Kibana derives nothing: it only has to stay the same.
_NAMESPACE = uuid.UUID("6f2b7a52-5b0c-4f6d-9a4e-0d2f1f6f3a10")


@dataclass(frozen=True, slots=True)
class Rule:
    """When to alert: documents of an index in a window, or the mean of a field over it.

    Attributes:
        field: whose mean is compared; documents are counted where it is empty.
        window: hours that count, back from now, by `time_field`.
        compares: with the threshold.
    """

    identity: str
    name: str
    plan: IndexPlan
    time_field: str
    filters: tuple[Filter, ...]
    window: int
    compares: Literal["<", ">"]
    threshold: float
    field: str = ""

    @property
    def rule_id(self) -> str:
        """The id in Kibana, which takes UUIDs alone."""
        return str(uuid.uuid5(_NAMESPACE, self.identity))


RULES = (
    Rule(
        "no-fresh-kline",
        "Klinecast: a series gets no fresh klines",
        HEALTH,
        "checked_at",
        (Filter("scope", ("series",)), Filter("is_late", (1,))),
        1,
        ">",
        0,
    ),
    Rule(
        "forecasts-silent",
        "Klinecast: no forecast was made in two days",
        FORECASTS,
        "made_at",
        (Filter("step", (1,)),),
        48,
        "<",
        1,
    ),
    Rule(
        "coverage-below-band",
        "Klinecast: the 80 % band held less than 70 % over 24 hours",
        FORECASTS,
        "target_time",
        (Filter("actual"), Filter("champion", (True,))),
        24,
        "<",
        0.7,
        "in_band_80",
    ),
    Rule(
        "training-failed",
        "Klinecast: a training failed",
        RUNS,
        "changed_at",
        (Filter("kind", ("run",)), Filter("state", ("failed",))),
        24,
        ">",
        0,
    ),
    Rule(
        "dead-letters",
        "Klinecast: Elasticsearch refused documents",
        HEALTH,
        "checked_at",
        (Filter("service", ("sink",)), Filter("is_late", (1,))),
        1,
        ">",
        0,
    ),
)


def install_alerts(kibana: Kibana, patience: Patience) -> str:
    """Create or bring up to date connectors and rules; return what was done in words.

    Raises:
        ServiceUnavailable: Kibana does not answer.
        SettingsError: it refuses the user.
        Conflict: it refuses a connector or a rule.
    """
    for identity, connector in _CONNECTORS.items():
        patience.call(lambda i=identity, c=connector: _put_connector(kibana, i, c))  # type: ignore[misc]  # bound at once
    for rule in RULES:
        patience.call(lambda one=rule: _put_rule(kibana, one))  # type: ignore[misc]  # bound at once
    return f"{len(RULES)} rules and {len(_CONNECTORS)} connectors in place"


def _put_connector(kibana: Kibana, identity: str, connector: Json) -> None:
    path = f"/api/actions/connector/{identity}"
    answer = call_api(kibana, "POST", path, connector)
    if answer.status_code == 409:
        known = {name: value for name, value in connector.items() if name != "connector_type_id"}
        answer = call_api(kibana, "PUT", path, known)
    expect_done(kibana, answer, f"connector {identity}")


def _put_rule(kibana: Kibana, rule: Rule) -> None:
    path, body = f"/api/alerting/rule/{rule.rule_id}", build_rule(rule)
    answer = call_api(kibana, "POST", path, body)
    if answer.status_code == 409:
        fixed = ("rule_type_id", "consumer", "enabled")  # of a rule that exists
        known = {name: value for name, value in body.items() if name not in fixed}
        answer = call_api(kibana, "PUT", path, known)
    expect_done(kibana, answer, f"rule {rule.identity}")


def build_rule(rule: Rule) -> Json:
    """Return the body that creates a rule: one check every five minutes."""
    kind, parameters, group = (
        (".index-threshold", _threshold(rule), "threshold met")
        if rule.field
        else (".es-query", _query(rule), "query matched")
    )
    return {
        "name": rule.name,
        "rule_type_id": kind,
        "consumer": "stackAlerts",
        "enabled": True,
        "schedule": {"interval": "5m"},
        "params": parameters,
        "tags": ["klinecast"],
        "actions": _actions(rule, group),
    }


def _query(rule: Rule) -> Json:
    return {
        "searchType": "esQuery",
        "index": [rule.plan.alias],
        "timeField": rule.time_field,
        "timeWindowSize": rule.window,
        "timeWindowUnit": "h",
        "esQuery": orjson.dumps({"query": join_query(rule.filters)}).decode(),
        "size": 0,
        "threshold": [rule.threshold],
        "thresholdComparator": rule.compares,
        "excludeHitsFromPreviousRun": False,
        "aggType": "count",
        "groupBy": "all",
    }


def _threshold(rule: Rule) -> Json:
    return {
        "index": [rule.plan.alias],
        "timeField": rule.time_field,
        "aggType": "avg",
        "aggField": rule.field,
        "groupBy": "all",
        "filterKuery": " and ".join(one.kql for one in rule.filters),
        "timeWindowSize": rule.window,
        "timeWindowUnit": "h",
        "threshold": [rule.threshold],
        "thresholdComparator": rule.compares,
    }


def _actions(rule: Rule, group: str) -> Sequence[Json]:
    frequency = {"summary": False, "notify_when": "onActionGroupChange", "throttle": None}
    document = {"rule": rule.identity, "name": rule.name, "message": "{{context.message}}"}
    parameters: dict[str, Json] = {
        "klinecast-log": {"level": "warn", "message": rule.name + ": {{context.message}}"},
        "klinecast-alerts": {"documents": [document]},
    }
    return [
        {"id": identity, "group": group, "params": parameters[identity], "frequency": frequency}
        for identity in _CONNECTORS
    ]
