"""A fresh copy of the project, to try whole installations in."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.ports import free_port

ROOT = Path(__file__).parents[2]
#: Settings that would lead a trial out of its own folder.
_OURS = ("KLINECAST_", "POPULATE_", "HISTORY_", "MODELS_", "SINK_", "OPERATE_", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the project as a fresh clone would be, and the environment it is used in."""

    folder: Path
    environment: Mapping[str, str]

    def setup(self, *arguments: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """Run setup.sh without a terminal."""
        return subprocess.run(
            ["sh", "setup.sh", *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )


def copy_project(folder: Path, settings: Mapping[str, str]) -> Copy:
    """Copy what git would clone, with changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    outside = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return Copy(folder, {**outside, **settings})


def free_ports(*variables: str) -> dict[str, str]:
    """Return a free port for each variable that sets one."""
    return {variable: str(free_port()) for variable in variables}
