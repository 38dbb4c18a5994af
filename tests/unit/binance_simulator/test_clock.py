from __future__ import annotations

from pathlib import Path

import pytest

from binance_simulator.clock import SimulatedClock
from binance_simulator.state import read_state, write_state
from market.errors import DataError, InvalidParameter


class Machine:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_clock_runs_at_its_speed_and_stops_at_the_end() -> None:
    machine = Machine()
    clock = SimulatedClock(1_000_000, 60, 1_200_000, machine)

    machine.seconds += 2
    after_two_seconds = clock.now_ms()
    machine.seconds += 3600

    assert after_two_seconds == 1_000_000 + 120_000
    assert clock.now_ms() == 1_200_000


def test_clock_at_speed_zero_stands_still() -> None:
    machine = Machine()
    clock = SimulatedClock(5_000, 0, 9_000, machine)

    machine.seconds += 1e6

    assert clock.now_ms() == 5_000


def test_clock_can_be_set_but_not_past_the_end() -> None:
    machine = Machine()
    clock = SimulatedClock(0, 0, 9_000, machine)

    clock.set(2_000, 2)
    machine.seconds += 1
    moved = clock.now_ms()
    clock.set(10_000, 0)

    assert moved == 4_000
    assert clock.now_ms() == 9_000


@pytest.mark.parametrize("speed", [-1.0, float("inf"), float("nan")])
def test_clock_refuses_a_speed_that_is_none(speed: float) -> None:
    with pytest.raises(InvalidParameter, match="speed"):
        SimulatedClock(0, speed, 1)


def test_state_is_read_back_and_absent_without_a_file(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"

    before = read_state(path)
    write_state(path, 42)
    write_state(path, 43)

    assert before is None
    assert read_state(path) == 43
    assert [file.name for file in tmp_path.iterdir()] == ["clock.json"]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"now_ms":null}', "\x00"])
def test_state_that_is_none_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "clock.json"
    path.write_text(content)

    with pytest.raises(DataError, match="clock.json"):
        read_state(path)
