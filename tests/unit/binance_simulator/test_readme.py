"""The README's table of faults is the list of faults."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from binance_simulator.faults.entry import read_fault
from binance_simulator.faults.kinds import KINDS
from binance_simulator.scenario import parse_scenario

README = Path(__file__).parents[3] / "simulator" / "README.md"
_ROW = re.compile(r"^\| `(?P<kind>\w+)` \| [^|]+ \| `(?P<example>\{.*\})` \|$", re.MULTILINE)


def test_every_kind_has_a_row_and_an_example_that_is_read() -> None:
    rows = {row["kind"]: json.loads(row["example"]) for row in _ROW.finditer(README.read_text())}

    assert set(rows) == set(KINDS)
    for kind, example in rows.items():
        assert example["kind"] == kind
        assert read_fault(example, now_ms=0, machine_s=0).kind == kind


def test_scenario_of_the_readme_is_read() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)

    assert parse_scenario(tomllib.loads(block)).limits.weight == 1200
