"""A hundred series without anything to find, and a hundred with a plant.

Run with `pytest -m benchmark -s tests/benchmarks/forecasting/test_controls.py`; some ten
minutes of one core. What every test run tries is one seed of each.
"""

from __future__ import annotations

import pytest

from forecasting.lab.controls import Control, iter_controls

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7_200)]

SEEDS = range(100)


@pytest.mark.parametrize("control", ["random_walk", "shuffled"])
def test_where_nothing_is_nothing_is_claimed(control: Control) -> None:
    claimed = [any(one) for one in iter_controls(control, SEEDS)]

    assert claimed.count(False) >= 95


def test_a_plant_is_found() -> None:
    found = [one.point or one.direction for one in iter_controls("planted", SEEDS)]

    assert found.count(True) >= 90
