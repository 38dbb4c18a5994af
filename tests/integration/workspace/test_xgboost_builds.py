"""What uv installs of xgboost: the build for the CPU, or by the extra `gpu` the other one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

from support.workspace import ROOT

GPU = ("--extra", "gpu", "--no-group", "cpu")

_FIT = """
import numpy
from forecasting.registry import new_estimator
from market.errors import Conflict
try:
    new_estimator("xgboost").fit(numpy.zeros((100, 2), numpy.float32), numpy.zeros((100, 4)))
except Conflict as error:
    print(error.detail)
    print(error.hint)
"""


@pytest.fixture(scope="module")
def uv() -> str:
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        pytest.skip("no uv: neither $UV nor a program of that name on the PATH")
    return found


def run_uv(uv: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run uv on this workspace as it is locked."""
    return subprocess.run(
        [uv, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def locked_builds(uv: str, *arguments: str, platform: str = "linux") -> set[str]:
    """Return the builds of xgboost that uv.lock gives for an installation."""
    done = run_uv(
        uv, "export", "--quiet", "--frozen", "--no-hashes", "--no-header", "--no-annotate",
        *arguments,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = [Requirement(line) for line in done.stdout.splitlines() if line.startswith("xgboost")]
    return {
        one.name
        for one in wanted
        if one.marker is None or one.marker.evaluate({"sys_platform": platform})
    }


@pytest.mark.parametrize("scope", [("--package", "klinecast-models"), ("--all-packages",)])
@pytest.mark.parametrize("dev", [(), ("--no-dev",)])
def test_plain_installation_has_the_build_for_the_cpu(
    uv: str, scope: tuple[str, ...], dev: tuple[str, ...]
) -> None:
    assert locked_builds(uv, *scope, *dev) == {"xgboost-cpu"}


@pytest.mark.parametrize("scope", [("--package", "klinecast-models"), ("--all-packages",)])
def test_extra_gpu_has_the_other_one_alone(uv: str, scope: tuple[str, ...]) -> None:
    assert locked_builds(uv, *scope, *GPU) == {"xgboost"}


def test_extra_cpu_by_name_is_the_plain_installation(uv: str) -> None:
    chosen = ("--package", "klinecast-models", "--extra", "cpu", "--no-default-groups")

    assert locked_builds(uv, *chosen) == {"xgboost-cpu"}


@pytest.mark.parametrize("chosen", [(), GPU])
def test_macos_has_the_one_build_there_is(uv: str, chosen: tuple[str, ...]) -> None:
    package = ("--package", "klinecast-models")

    assert locked_builds(uv, *package, *chosen, platform="darwin") == {"xgboost"}


@pytest.mark.parametrize("second", [(), ("--extra", "cpu", "--no-group", "cpu")])
def test_both_together_are_refused(uv: str, second: tuple[str, ...]) -> None:
    package = ("--package", "klinecast-models", "--extra", "gpu")

    done = run_uv(uv, "export", "--quiet", "--frozen", *package, *second)

    assert done.returncode != 0
    assert "incompatible" in done.stderr


@pytest.mark.parametrize("other", ["klinecast-history", "klinecast-sink", "klinecast-populate"])
def test_no_other_service_gets_one(uv: str, other: str) -> None:
    assert locked_builds(uv, "--package", other) == set()


@pytest.mark.timeout(600)
def test_without_any_build_fitting_names_the_extras(uv: str) -> None:
    isolated = ("run", "--quiet", "--frozen", "--isolated", "--python", sys.executable)
    package = ("--package", "klinecast-models", "--no-default-groups")

    spoken = run_uv(uv, *isolated, *package, "klinecast-models", "--help")
    fitted = run_uv(uv, *isolated, *package, "python", "-I", "-c", _FIT)

    assert spoken.returncode == 0, spoken.stderr
    assert "forecast" in spoken.stdout
    assert fitted.stdout.splitlines() == [
        "xgboost is not installed",
        "Install klinecast-models[cpu], or klinecast-models[gpu] for NVIDIA GPUs.",
    ], fitted.stderr
