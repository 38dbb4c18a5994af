"""The two builds of xgboost own the same files: no installation may ask for both."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement

from support.workspace import ROOT

MODELS: dict[str, Any] = tomllib.loads((ROOT / "models" / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = MODELS["project"]["optional-dependencies"]


def builds(lines: list[str], platform: str) -> list[str]:
    """Return the builds of xgboost that apply on a platform."""
    wanted = [Requirement(line) for line in lines]
    return [
        one.name
        for one in wanted
        if one.name.startswith("xgboost")
        and (one.marker is None or one.marker.evaluate({"sys_platform": platform}))
    ]


@pytest.mark.parametrize(
    ("extra", "platform", "build"),
    [
        ("cpu", "linux", "xgboost-cpu"),
        ("cpu", "win32", "xgboost-cpu"),
        ("cpu", "darwin", "xgboost"),
        ("gpu", "linux", "xgboost"),
        ("gpu", "win32", "xgboost"),
        ("gpu", "darwin", "xgboost"),
    ],
)
def test_an_extra_brings_one_build(extra: str, platform: str, build: str) -> None:
    assert builds(EXTRAS[extra], platform) == [build]


def test_no_build_comes_without_an_extra() -> None:
    # An extra could not take it away again.
    assert builds(MODELS["project"]["dependencies"], "linux") == []


def test_the_default_group_is_the_extra_for_the_cpu() -> None:
    assert MODELS["dependency-groups"]["cpu"] == EXTRAS["cpu"]
    assert MODELS["tool"]["uv"]["default-groups"] == ["cpu"]
