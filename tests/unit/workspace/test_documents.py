"""What the documents promise: every command is named, every link leads somewhere."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer

from support.workspace import ROOT, Member, read_members

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
#: People call this program by the script in front of it.
_SPOKEN = {"klinecast-operate": "setup.sh"}
_NOT_OURS = {".venv", ".git", "node_modules", ".klinecast", ".pytest_cache"}


@cache
def documents() -> list[Path]:
    """Return every Markdown file of the project."""
    return [
        path
        for path in sorted(ROOT.rglob("*.md"))
        if not _NOT_OURS & set(path.relative_to(ROOT).parts)
    ]


@cache
def read_text(path: Path) -> str:
    """Return what a document says; it is asked for each command."""
    return path.read_text()


def commands() -> Iterator[str]:
    """Yield `program command` for every command line of the project."""
    for member in read_members():
        for program, target in member.project.get("scripts", {}).items():
            app = importlib.import_module(target.partition(":")[0]).app
            yield from (f"{program} {name}" for name in _names(app))


def _names(app: typer.Typer) -> Iterator[str]:
    for command in app.registered_commands:
        if command.hidden:
            continue
        name = command.name or getattr(command.callback, "__name__", "")
        yield name.replace("_", "-")
    for group in app.registered_groups:
        if group.typer_instance is not None and not group.hidden:
            yield from (f"{group.name} {name}" for name in _names(group.typer_instance))


@pytest.mark.parametrize("command", sorted(commands()))
def test_command_is_named_in_a_document(command: str) -> None:
    program, _, name = command.partition(" ")
    program = _SPOKEN.get(program, program)
    # "program command", or one of several: "program first, second".
    pattern = re.compile(rf"\b{re.escape(program)}\b[^\n]*(?<![\w-]){re.escape(name)}(?![\w-])")

    assert any(pattern.search(read_text(path)) for path in documents())


@pytest.mark.parametrize("member", read_members(), ids=lambda member: member.package)
def test_member_has_a_readme(member: Member) -> None:
    assert (member.folder / "README.md").read_text().startswith("# ")


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in _LINK.findall(path.read_text()):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            assert (path.parent / target.partition("#")[0]).exists(), target


def test_decisions_are_numbered_and_complete() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in decisions]

    assert decisions
    assert len(numbers) == len(set(numbers))
    for path in decisions:
        text = path.read_text()
        for section in ("Context", "Decision", "Consequences", "Alternatives considered"):
            assert f"## {section}" in text, f"{path.name} has no section {section}"
