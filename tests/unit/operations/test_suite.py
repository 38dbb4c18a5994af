"""How the tests are divided into parts that run side by side."""

from __future__ import annotations

from pathlib import Path

from operations.suite import TOOLS, find_missing, plan_parts
from support.workspace import ROOT


def test_every_test_is_in_one_part_and_no_benchmark_is() -> None:
    parts = plan_parts(ROOT / "tests")

    files = [file for part in parts for file in (ROOT / part).rglob("test_*.py")]

    assert len(files) == len(set(files))
    assert set(files) == set((ROOT / "tests").rglob("test_*.py")) - set(
        (ROOT / "tests" / "benchmarks").rglob("test_*.py")
    )


def test_the_longest_parts_come_first(tmp_path: Path) -> None:
    for name in ("contract/store", "integration/a", "system", "unit/b", "support"):
        (tmp_path / "tests" / name).mkdir(parents=True)
    for name in ("contract/store", "integration/a", "system", "unit/b"):
        (tmp_path / "tests" / name / "test_one.py").touch()

    parts = plan_parts(tmp_path / "tests")

    assert parts == ["tests/system", "tests/contract/store", "tests/integration/a", "tests/unit"]


def test_a_tool_is_there_under_any_of_its_names() -> None:
    assert find_missing(TOOLS, lambda _program: "/usr/bin/it") == []
    assert [tool.programs[0] for tool in find_missing(TOOLS, lambda _program: None)] == [
        tool.programs[0] for tool in TOOLS
    ]
