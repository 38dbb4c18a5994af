"""A scenario: the faults and limits a run starts with, in a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from binance_simulator.faults.entry import read_fault
from binance_simulator.faults.parameters import whole
from binance_simulator.limits import Limits
from market.errors import InvalidParameter

_SEED = whole(0, 1 << 62)
_LIMIT = whole(1, 1 << 40)


class Scenario(NamedTuple):
    """What a file says: the seed of every dice, the limits, and the faults in their order."""

    seed: int = 0
    limits: Limits = Limits()
    faults: tuple[Mapping[str, object], ...] = ()


def read_scenario(path: Path) -> Scenario:
    """Read a file and check all of it.

    Raises:
        InvalidParameter: naming the file or the entry, what was given and what is valid.
    """
    try:
        with path.open("rb") as file:
            return parse_scenario(tomllib.load(file))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidParameter("--scenario", str(path), f"a TOML file ({error})") from None


def parse_scenario(given: Mapping[str, Any]) -> Scenario:
    """Check a scenario: `seed`, `[limits]`, and `[[faults]]`, named from faults[1] on.

    Raises:
        InvalidParameter: naming the entry.
    """
    unknown = sorted(set(given) - {"seed", "limits", "faults"})
    if unknown:
        raise InvalidParameter(unknown[0], given[unknown[0]], "only seed, limits and faults")
    limits = given.get("limits", {})
    faults = given.get("faults", [])
    if not isinstance(limits, dict):
        raise InvalidParameter("limits", limits, "a table")
    if not isinstance(faults, list) or not all(isinstance(one, dict) for one in faults):
        raise InvalidParameter("faults", faults, "tables, each under [[faults]]")
    for name in limits:
        if name not in Limits._fields:
            raise InvalidParameter(f"limits {name}", limits[name], " ".join(Limits._fields))
        _check(f"limits {name}", limits[name], _LIMIT)
    for place, entry in enumerate(faults, start=1):
        read_fault(entry, name=f"faults[{place}]", now_ms=0, machine_s=0)
    seed = given.get("seed", 0)
    _check("seed", seed, _SEED)
    return Scenario(seed, Limits(**limits), tuple(faults))


def _check(name: str, value: object, read: Any) -> None:
    try:
        read(value)
    except ValueError as error:
        raise InvalidParameter(name, value, str(error)) from None
