from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from binance_simulator.limits import Limits
from binance_simulator.scenario import Scenario, parse_scenario, read_scenario
from market.errors import InvalidParameter


def test_scenario_is_read_with_its_times_and_limits(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(
        """
        seed = 7
        [limits]
        weight = 1200
        [[faults]]
        kind = "silence"
        from = 2024-06-18T12:00:00Z
        until = "2024-06-18T12:05:00Z"
        [[faults]]
        kind = "missing_rows"
        start = 2024-02-03
        end = 2024-02-04
        """
    )

    scenario = read_scenario(path)

    assert (scenario.seed, scenario.limits) == (7, Limits(weight=1200))
    assert [fault["kind"] for fault in scenario.faults] == ["silence", "missing_rows"]


def test_empty_scenario_changes_nothing() -> None:
    assert parse_scenario({}) == Scenario()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"faults": [{"kind": "status"}, {"kind": "ban", "count": -1}]}, "faults[2] count was -1;"),
        ({"faults": [{"kind": "explode"}]}, "faults[1] kind was 'explode';"),
        ({"faults": {"kind": "status"}}, "faults was {'kind': 'status'}; expected tables"),
        ({"limits": {"speed": 1}}, "limits speed was 1; expected weight raw_requests"),
        ({"limits": {"weight": 0}}, "limits weight was 0; expected an integer from 1"),
        ({"limits": 5}, "limits was 5; expected a table"),
        ({"seed": -1}, "seed was -1; expected an integer from 0"),
        ({"fault": []}, "fault was []; expected only seed, limits and faults"),
    ],
)
def test_wrong_scenario_is_one_line_that_names_the_entry(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidParameter, match="^" + re.escape(said)) as refused:
        parse_scenario(given)

    assert "\n" not in refused.value.detail


@pytest.mark.parametrize("content", [b"kind = ", b"\xff"])
def test_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scenario.toml"
    path.write_bytes(content)

    with pytest.raises(InvalidParameter, match=r"^--scenario was .*expected a TOML file"):
        read_scenario(path)
