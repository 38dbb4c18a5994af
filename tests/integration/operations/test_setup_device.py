"""setup.sh and the two builds of xgboost: swapped by one setting, never mixed.

The installation is a small workspace of the same shape, whose two builds are wheels made here
that own the same file; setup.sh and uv are the real ones, and nothing comes from a registry.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

_PROJECT = """
[tool.uv.workspace]
members = ["models"]

[tool.uv]
default-groups = ["dev", "cpu"]
conflicts = [
    [{ package = "klinecast-models", extra = "gpu" }, { package = "klinecast-models", group = "cpu" }],
    [{ package = "klinecast-models", extra = "gpu" }, { package = "klinecast-models", extra = "cpu" }],
]

[tool.uv.sources]
xgboost = { path = "xgboost-1-py3-none-any.whl" }
xgboost-cpu = { path = "xgboost_cpu-1-py3-none-any.whl" }

[dependency-groups]
dev = []
cpu = []
"""  # noqa: E501
_MEMBER = """
[project]
name = "klinecast-models"
version = "1"
requires-python = ">=3.11"

[project.optional-dependencies]
cpu = ["xgboost-cpu"]
gpu = ["xgboost"]

[dependency-groups]
cpu = ["xgboost-cpu"]

[tool.uv]
package = false
default-groups = ["cpu"]
"""

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has one build of xgboost")


@pytest.fixture
def uv() -> str:
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        pytest.skip("no uv: neither $UV nor a program of that name on the PATH")
    return found


@pytest.fixture
def develop(tmp_path: Path, uv: str) -> Callable[..., list[str]]:
    """Run `setup.sh develop`; return what is installed: distributions, and the build's file."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "MODELS_DEVICE"},
        "PATH": f"{Path(uv).parent}{os.pathsep}{os.environ['PATH']}",
        "UV_OFFLINE": "1",
    }
    shutil.copy2(ROOT / "setup.sh", tmp_path)
    (tmp_path / "pyproject.toml").write_text(_PROJECT)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pyproject.toml").write_text(_MEMBER)
    make_wheel(tmp_path, "xgboost")
    make_wheel(tmp_path, "xgboost_cpu")
    subprocess.run([uv, "lock", "--quiet"], cwd=tmp_path, env=environment, check=True)

    def run(**settings: str) -> list[str]:
        done = subprocess.run(
            ["/bin/sh", "setup.sh", "develop"],
            cwd=tmp_path,
            env={**environment, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (packages,) = (tmp_path / ".venv" / "lib").glob("python*/site-packages")
        names = [path.name.partition("-")[0] for path in packages.glob("xgboost*.dist-info")]
        return [*sorted(names), (packages / "xgboost" / "build.txt").read_text()]

    return run


def make_wheel(folder: Path, name: str) -> None:
    """Write a wheel that owns xgboost/build.txt, which says whose it is."""
    files = {
        "xgboost/build.txt": f"file of {name}",
        f"{name}-1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{name}-1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
    }
    record = f"{name}-1.dist-info/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    with zipfile.ZipFile(folder / f"{name}-1-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


def test_the_build_for_the_cpu_is_the_default(develop: Callable[..., list[str]]) -> None:
    assert develop() == ["xgboost_cpu", "file of xgboost_cpu"]


def test_the_builds_are_swapped_both_ways(develop: Callable[..., list[str]]) -> None:
    before = develop()
    with_gpu = develop(MODELS_DEVICE="gpu")
    after = develop(MODELS_DEVICE="cpu")

    assert with_gpu == ["xgboost", "file of xgboost"]
    assert after == before == ["xgboost_cpu", "file of xgboost_cpu"]


@pytest.mark.parametrize(
    "line", ["MODELS_DEVICE=gpu", "MODELS_DEVICE='gpu' # ours", 'export MODELS_DEVICE = "gpu"']
)
def test_env_file_chooses(develop: Callable[..., list[str]], tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"MODELS_PORT=8001\n{line}\n")

    assert develop() == ["xgboost", "file of xgboost"]
    assert develop(MODELS_DEVICE="cpu") == ["xgboost_cpu", "file of xgboost_cpu"]


def test_commented_line_chooses_nothing(develop: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("#MODELS_DEVICE=gpu\n")

    assert develop() == ["xgboost_cpu", "file of xgboost_cpu"]
