"""The dashboard's saved objects: what is committed, and whether Kibana could show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from forecast_sink.dashboards import build_dashboard, build_ndjson
from forecast_sink.dashboards.structure import find_problems
from market.errors import DataError

COMMITTED = Path(__file__).parents[3] / "elasticsearch/kibana/klinecast.ndjson"
NDJSON = build_ndjson(build_dashboard(demo=False))


def test_committed_file_is_what_the_generator_writes() -> None:
    assert COMMITTED.read_bytes() == NDJSON, (
        "python -m forecast_sink.dashboards > elasticsearch/kibana/klinecast.ndjson"
    )


@pytest.mark.parametrize("demo", [False, True])
def test_saved_objects_are_sound(demo: bool) -> None:
    assert find_problems(build_ndjson(build_dashboard(demo=demo))) == []


def dashboard_of(ndjson: bytes) -> Any:
    objects = [orjson.loads(line) for line in ndjson.splitlines()]
    return next(item for item in objects if item["type"] == "dashboard")["attributes"]


def test_dashboard_reaches_into_the_future() -> None:
    attributes = dashboard_of(NDJSON)

    assert (attributes["timeFrom"], attributes["timeTo"]) == ("now-7d", "now+3d")
    assert attributes["timeRestore"] is True


def test_demo_dashboard_says_so_and_shows_the_samples_time() -> None:
    attributes = dashboard_of(build_ndjson(build_dashboard(demo=True)))

    assert "DEMO" in attributes["title"]
    assert "DEMO" in attributes["panelsJSON"]
    assert attributes["timeFrom"] < "2024-06-18" < "2024-06-25" < attributes["timeTo"]


def test_dashboard_opens_on_the_series_it_was_built_for() -> None:
    ndjson = build_ndjson(build_dashboard(demo=False, symbol="ETHUSDT", interval="1d"))

    controls = orjson.loads(dashboard_of(ndjson)["controlGroupInput"]["panelsJSON"])

    assert controls["control-symbol"]["explicitInput"]["selectedOptions"] == ["ETHUSDT"]
    assert controls["control-interval"]["explicitInput"]["selectedOptions"] == ["1d"]


def damage_panels(change: Callable[[list[Any]], None]) -> bytes:
    """Return the file with the dashboard's panels changed."""
    objects = [orjson.loads(line) for line in NDJSON.splitlines()]
    for item in objects:
        if item["type"] == "dashboard":
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
