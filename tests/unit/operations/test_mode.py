"""Which way of running an installation is meant."""

from __future__ import annotations

import pytest

from market.errors import Conflict, InvalidParameter
from operations.mode import check_demo, check_service_name, choose_mode
from operations.state import Installation, Mode


@pytest.mark.parametrize(
    ("asked", "used", "engine", "expected"),
    [
        (None, None, True, "docker"),
        (None, None, False, "local"),
        (None, "local", True, "local"),
        (None, "docker", False, "docker"),
        ("local", "docker", True, "local"),
        ("docker", "local", False, "docker"),
    ],
)
def test_choice_of_mode(
    asked: Mode | None, used: Mode | None, engine: bool, expected: Mode
) -> None:
    assert choose_mode(asked, Installation(mode=used), engine=engine) == expected


@pytest.mark.parametrize("stored", [True, False])
def test_demo_and_live_data_are_held_apart(stored: bool) -> None:
    installation = Installation(mode="local", demo={"local": stored})

    with pytest.raises(Conflict) as caught:
        check_demo(installation, "local", demo=not stored)
    assert ("--demo" in caught.value.hint) == stored
    assert "reset" in caught.value.hint


@pytest.mark.parametrize("demo", [True, False])
def test_modes_have_stores_of_their_own(demo: bool) -> None:
    installation = Installation(mode="local", demo={"local": not demo})

    check_demo(installation, "docker", demo=demo)


def test_unknown_service_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidParameter, match="one of history, models"):
        check_service_name("histroy", ["history", "models"])
