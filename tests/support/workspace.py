"""The members of the workspace, read from their own project files."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class Member(NamedTuple):
    """One folder of the workspace: its distribution, its import package, its project table."""

    folder: Path
    distribution: str
    package: str
    project: dict[str, Any]

    @property
    def sources(self) -> list[Path]:
        """Return its Python files."""
        return sorted((self.folder / "src" / self.package).rglob("*.py"))

    @property
    def requirements(self) -> set[str]:
        """Return what it declares, the extras too: names of distributions."""
        extras = self.project.get("optional-dependencies", {}).values()
        lines = [*self.project["dependencies"], *(line for extra in extras for line in extra)]
        return {distribution_of(line) for line in lines}


def distribution_of(requirement: str) -> str:
    """Return the name a requirement begins with, normalised."""
    name = requirement
    for mark in "[<>=!~; ":
        name = name.partition(mark)[0]
    return name.strip().lower().replace("_", "-").replace(".", "-")


def read_members() -> list[Member]:
    """Return the workspace's members."""
    root = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [_read(ROOT / name) for name in root["tool"]["uv"]["workspace"]["members"]]


def _read(folder: Path) -> Member:
    table = tomllib.loads((folder / "pyproject.toml").read_text())
    (package,) = table["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    name = table["project"]["name"]
    return Member(folder, name, Path(package).name, table["project"])


@cache
def read_imports(path: Path) -> frozenset[str]:
    """Return the top-level packages that a file imports; each file is parsed once."""
    return frozenset(_iter_imports(path))


def _iter_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
