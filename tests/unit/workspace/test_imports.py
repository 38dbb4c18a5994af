"""Who may import whom, and that what is imported is declared."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import elasticsearch
import pytest

from support.workspace import ROOT, Member, distribution_of, read_imports, read_members

MEMBERS = read_members()
BY_PACKAGE = {member.package: member for member in MEMBERS}
#: The packages of ours that each package may import, beside itself.
MAY_IMPORT = {
    "market": set(),
    "binance_simulator": {"market"},
    "populate_base": {"market"},
    "api_historic": {"market"},
    "klinecast_client": {"market"},
    "forecasting": {"market", "klinecast_client"},
    "forecast_sink": {"market"},
    "operations": {"market"},
}
#: What the project's user asked for, each with the import that proves its use.
FIXED = {
    "python-binance": "binance",
    "mysql-connector-python": "mysql",
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "pandas": "pandas",
    "scikit-learn": "sklearn",
    "xgboost-cpu": "xgboost",
    "elasticsearch": "elasticsearch",
    "docker": "docker",
}
#: Libraries that are part of another one's interface.
PART_OF = {"starlette": "fastapi", "anyio": "fastapi", "elastic-transport": "elasticsearch"}
#: Loaded by uvicorn where they are installed; uvicorn itself is run by `market.api`.
UNSEEN = {"httptools", "uvloop", "websockets", "uvicorn"}
members = pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.package)


@cache
def distributions() -> Mapping[str, list[str]]:
    """Return the installed distributions of every package that can be imported."""
    return packages_distributions()


def test_every_member_has_its_rule() -> None:
    assert set(BY_PACKAGE) == set(MAY_IMPORT)


@members
def test_imports_go_one_way(member: Member) -> None:
    allowed = MAY_IMPORT[member.package] | {member.package}

    for path in member.sources:
        ours = read_imports(path) & set(BY_PACKAGE)
        assert ours <= allowed, f"{path.relative_to(ROOT)} imports {ours - allowed}"


@members
def test_what_is_imported_is_declared(member: Member) -> None:
    # Everyone stands on market, whose own libraries come along.
    declared = member.requirements | BY_PACKAGE["market"].requirements

    for path in member.sources:
        for name in read_imports(path) - sys.stdlib_module_names - {member.package}:
            known = {distribution_of(one) for one in distributions().get(name, [])}
            known |= {PART_OF[one] for one in known if one in PART_OF}
            if name in BY_PACKAGE:
                known = {BY_PACKAGE[name].distribution}
            assert known & declared, f"{path.relative_to(ROOT)} imports {name}: not declared"


@members
def test_what_is_declared_is_imported(member: Member) -> None:
    imported = {name for path in member.sources for name in read_imports(path)}
    used = {distribution_of(one) for name in imported for one in distributions().get(name, [])}
    same_import = {"xgboost", "xgboost-cpu"}

    unused = member.requirements - used - UNSEEN - same_import
    assert {name for name in unused if not name.startswith("klinecast-")} == set()


@pytest.mark.parametrize("distribution", FIXED)
def test_fixed_package_is_declared_and_used(distribution: str) -> None:
    declared = any(distribution in member.requirements for member in MEMBERS)
    users = [
        path
        for member in MEMBERS
        for path in member.sources
        if FIXED[distribution] in read_imports(path)
    ]

    assert declared
    assert users


def test_elasticsearch_is_the_client_and_not_the_folder() -> None:
    assert not (ROOT / "elasticsearch" / "__init__.py").exists()
    assert "site-packages" in Path(str(elasticsearch.__file__)).parts


def test_no_test_folder_is_a_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@members
def test_nothing_is_pickled(member: Member) -> None:
    for path in member.sources:
        assert not read_imports(path) & {"pickle", "joblib", "dill", "cloudpickle"}, path
