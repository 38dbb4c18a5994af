"""Each member installs and imports with nothing but what it declares."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.workspace import ROOT, Member, read_members

#: Modules of market that want one of its extras: api, passwords, objects.
_OF_EXTRAS = {
    *(f"market.{name}" for name in ("api", "body_limit", "request_metrics", "serving")),
    *(f"market.access.{name}" for name in ("check", "credentials", "gate", "live", "openapi")),
    *(f"market.access.{name}" for name in ("passwords", "refusals", "sign_in", "users")),
    "market.object_store",
}
# Imports every module of the package, so that a library that only the development
# environment has is noticed; then says which of the forbidden ones are there. Run with -I:
# with the root on the path, the folder elasticsearch/ would look like the client.
_PROGRAM = f"""
import importlib, importlib.util, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if "migrations" not in module.name and not module.name.endswith("__main__"):
        if module.name not in {sorted(_OF_EXTRAS)}:
            importlib.import_module(module.name)
print(*[name for name in sys.argv[2:] if importlib.util.find_spec(name)])
"""
HEAVY = ("numpy", "pandas", "sklearn", "pyarrow")
#: Libraries that must not come along with a member.
WITHOUT = {
    "market": (*HEAVY, "mysql", "fastapi"),
    "binance_simulator": (*HEAVY, "mysql"),
    "populate_base": ("pandas", "sklearn", "fastapi"),
    "api_historic": ("pandas", "sklearn", "elasticsearch"),
    "klinecast_client": ("mysql", "fastapi", "sklearn"),
    "forecasting": ("elasticsearch", "binance"),
    "forecast_sink": (*HEAVY, "mysql", "fastapi"),
    "operations": (*HEAVY, "mysql", "fastapi"),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("member", read_members(), ids=lambda member: member.package)
def test_member_imports_alone(member: Member, tmp_path: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("no uv: neither $UV nor a program of that name on the PATH")

    done = subprocess.run(
        [
            *(uv, "run", "--quiet", "--frozen", "--isolated", "--no-dev"),
            *("--python", sys.executable, "--package", member.distribution),
            *("python", "-I", "-c", _PROGRAM, member.package, *WITHOUT[member.package]),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
