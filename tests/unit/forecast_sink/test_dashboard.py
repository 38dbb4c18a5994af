"""The dashboards' saved objects: what is committed, and whether Kibana could show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from forecast_sink.dashboards import Setting, build_dashboards, build_ndjson
from forecast_sink.dashboards.filters import Filter, join_kql
from forecast_sink.dashboards.setting import MARKET, TITLES
from forecast_sink.dashboards.structure import find_problems
from market.errors import DataError

COMMITTED = Path(__file__).parents[3] / "elasticsearch/kibana/klinecast.ndjson"
NDJSON = build_ndjson(*build_dashboards(Setting()))


def test_committed_file_is_what_the_generator_writes() -> None:
    assert COMMITTED.read_bytes() == NDJSON, (
        "python -m forecast_sink.dashboards > elasticsearch/kibana/klinecast.ndjson"
    )


@pytest.mark.parametrize("demo", [False, True])
def test_saved_objects_are_sound(demo: bool) -> None:
    assert find_problems(build_ndjson(*build_dashboards(Setting(demo=demo)))) == []


def dashboard_of(ndjson: bytes, identity: str = MARKET) -> Any:
    objects = [orjson.loads(line) for line in ndjson.splitlines()]
    return next(item for item in objects if item["id"] == identity)["attributes"]


def test_dashboard_reaches_into_the_future() -> None:
    attributes = dashboard_of(NDJSON)

    assert (attributes["timeFrom"], attributes["timeTo"]) == ("now-7d", "now+3d")
    assert all(dashboard_of(NDJSON, one)["timeTo"].startswith("now+") for one in TITLES)
    assert attributes["timeRestore"] is True


@pytest.mark.parametrize("identity", TITLES)
def test_every_dashboard_links_to_all_and_advises_nobody(identity: str) -> None:
    attributes = dashboard_of(NDJSON, identity)
    panels = orjson.loads(attributes["panelsJSON"])

    (links,) = [panel for panel in panels if panel["type"] == "links"]
    named = [link["id"] for link in links["embeddableConfig"]["attributes"]["links"]]
    assert named == list(TITLES)
    assert "not financial advice" in attributes["panelsJSON"]
    assert "Not financial advice" in attributes["description"]


@pytest.mark.parametrize(
    ("one", "kql", "query"),
    [
        (Filter("actual"), "actual: *", {"exists": {"field": "actual"}}),
        (Filter("step", (1,)), "step: 1", {"terms": {"step": [1]}}),
        (Filter("demo", (True,)), "demo: true", {"terms": {"demo": [True]}}),
        (
            Filter("action", ("BUY", 'S"LL')),
            'action: ("BUY" or "S\\"LL")',
            {"terms": {"action": ["BUY", 'S"LL']}},
        ),
    ],
)
def test_filter_says_the_same_in_both_languages(
    one: Filter, kql: str, query: dict[str, Any]
) -> None:
    assert (one.kql, one.query) == (kql, query)
    assert join_kql([one, Filter("x")]) == f"{kql} and x: *"


@pytest.mark.parametrize("identity", TITLES)
def test_demo_dashboard_says_so_and_shows_the_samples_time(identity: str) -> None:
    demo = build_ndjson(*build_dashboards(Setting(demo=True)))
    attributes = dashboard_of(demo, identity)

    assert "DEMO" in attributes["title"]
    assert "DEMO" in attributes["panelsJSON"]
    assert attributes["timeFrom"] < "2024-06-18" < "2024-06-25" < attributes["timeTo"]


def test_dashboard_opens_on_the_series_it_was_built_for() -> None:
    ndjson = build_ndjson(*build_dashboards(Setting(symbol="ETHUSDT", interval="1d")))

    controls = orjson.loads(dashboard_of(ndjson)["controlGroupInput"]["panelsJSON"])

    assert controls["control-symbol"]["explicitInput"]["selectedOptions"] == ["ETHUSDT"]
    assert controls["control-interval"]["explicitInput"]["selectedOptions"] == ["1d"]


def damage_panels(change: Callable[[list[Any]], None]) -> bytes:
    """Return the file with the dashboard's panels changed."""
    objects = [orjson.loads(line) for line in NDJSON.splitlines()]
    for item in objects:
        if item["id"] == MARKET:
            panels = orjson.loads(item["attributes"]["panelsJSON"])
            change(panels)
            item["attributes"]["panelsJSON"] = orjson.dumps(panels).decode()
    return b"\n".join(map(orjson.dumps, objects))


def layers_of(panels: list[Any], identity: str) -> Any:
    panel = next(panel for panel in panels if panel["panelIndex"] == identity)
    state = panel["embeddableConfig"]["attributes"]["state"]
    return state["datasourceStates"]["formBased"]["layers"]


def move(panels: list[Any]) -> None:
    panels[1]["gridData"]["x"] = 2


def leave(panels: list[Any]) -> None:
    panels[3]["gridData"]["w"] = 30


def rename(panels: list[Any]) -> None:
    panels[0]["gridData"]["i"] = "other"


def forget_reference(panels: list[Any]) -> None:
    panels[0]["embeddableConfig"]["attributes"]["references"] = []


def forget_column(panels: list[Any]) -> None:
    layers_of(panels, "volume")["layer-0"]["columns"].pop("column-0-0")


def reorder(panels: list[Any]) -> None:
    layers_of(panels, "volume")["layer-0"]["columnOrder"].reverse()


def average_a_date(panels: list[Any]) -> None:
    columns = layers_of(panels, "newest-kline")["layer-0"]["columns"]
    columns["column-0-0"]["operationType"] = "average"


def forget_links(panels: list[Any]) -> None:
    panel = next(panel for panel in panels if panel["type"] == "links")
    panel["embeddableConfig"]["attributes"]["links"][0]["destinationRefName"] = "nowhere"


def query_in_vega(panels: list[Any]) -> None:
    panel = next(panel for panel in panels if panel["panelIndex"] == "price-band")
    params = panel["embeddableConfig"]["savedVis"]["params"]
    specification = orjson.loads(params["spec"])
    specification["layer"][0]["data"]["url"]["body"]["query"] = {"match_all": {}}
    params["spec"] = orjson.dumps(specification).decode()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (move, "overlap"),
        (leave, "leaves the grid"),
        (rename, "gridData.i was other"),
        (forget_reference, "must name its data view inside the panel"),
        (forget_column, "column-0-0 is no column of layer layer-0"),
        (reorder, "buckets have to come before numbers"),
        (average_a_date, "average of a date"),
        (forget_links, "its link Market and forecast is not referenced"),
        (query_in_vega, "beside the context"),
    ],
)
def test_check_finds_a_damaged_panel(change: Callable[[list[Any]], None], problem: str) -> None:
    problems = find_problems(damage_panels(change))

    assert any(problem in found for found in problems), problems


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b'"typeMigrationVersion":"10.2.0"', b'"typeMigrationVersion":"10.3.0"', "expected 10.2.0"),
        (b'"coreMigrationVersion":"8.8.0"', b'"coreMigrationVersion":"9.0.0"', "expected 8.8.0"),
        (
            b'"type":"tag","id":"klinecast","attr',
            b'"type":"tag","id":"other","attr',
            "names nothing",
        ),
        (
            b"controlGroup_control-model:",
            b"controlGroup_control-x:",
            "control control-model has no",
        ),
    ],
)
def test_check_finds_damaged_stamps_and_references(old: bytes, new: bytes, problem: str) -> None:
    damaged = NDJSON.replace(old, new)

    assert damaged != NDJSON
    assert any(problem in found for found in find_problems(damaged))


def test_check_finds_an_object_twice() -> None:
    assert "tag klinecast is there 2 times" in find_problems(NDJSON + NDJSON.splitlines()[0])


def test_check_refuses_what_is_not_json() -> None:
    with pytest.raises(DataError, match="line 1 is not JSON"):
        find_problems(b"{")
