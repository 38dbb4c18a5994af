"""Every setting is in `.env.example`, and nothing else is."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections.abc import Iterator

from market.settings import SettingsPart, variable_name
from support.workspace import ROOT, read_members

_ASSIGNMENT = re.compile(r"^#? ?([A-Z][A-Z0-9_]+)=", re.MULTILINE)


def known_variables() -> dict[str, str]:
    """Return every variable that a settings class reads, with the class."""
    for member in read_members():
        name = f"{member.package}.settings"
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    return {
        variable_name(kind, field): f"{kind.__module__}.{kind.__name__}.{field}"
        for kind in _subclasses(SettingsPart)
        if kind.__module__.partition(".")[0] in {member.package for member in read_members()}
        for field in kind.model_fields
    }


def _subclasses(kind: type[SettingsPart]) -> set[type[SettingsPart]]:
    return {kind} | {one for sub in kind.__subclasses__() for one in _subclasses(sub)}


def documented_variables() -> list[str]:
    """Return the variables of `.env.example`, also those commented out."""
    return _ASSIGNMENT.findall((ROOT / ".env.example").read_text())


def test_every_setting_is_in_the_example() -> None:
    missing = {
        variable: where
        for variable, where in known_variables().items()
        if variable not in documented_variables()
    }

    assert missing == {}


def test_example_names_each_variable_once() -> None:
    documented = documented_variables()

    assert sorted(documented) == sorted(set(documented))


def test_every_variable_of_the_example_is_read_somewhere() -> None:
    known = known_variables()
    files = [ROOT / "setup.sh", *(ROOT / "up").rglob("*"), *(ROOT / "operations").rglob("*.py")]
    read = "\n".join(path.read_text(errors="replace") for path in files if path.is_file())

    for variable in documented_variables():
        in_scripts = re.search(rf"\b{variable}\b", read)
        assert variable in known or in_scripts, variable


def test_every_setting_says_what_it_is() -> None:
    for member in read_members():
        path = member.folder / "src" / member.package / "settings.py"
        if not path.exists():
            continue
        for kind in ast.parse(path.read_text()).body:
            if isinstance(kind, ast.ClassDef):
                undescribed = list(_undescribed(kind))
                assert undescribed == [], f"{path.relative_to(ROOT)}: {kind.name}"


def _undescribed(kind: ast.ClassDef) -> Iterator[str]:
    for statement, after in zip(kind.body, [*kind.body[1:], None], strict=True):
        is_field = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        described = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if is_field and not described:
            yield ast.unparse(statement)
