"""State files and locks."""

from __future__ import annotations

from pathlib import Path

import pytest

from market.errors import Conflict
from operations.state import (
    Installation,
    RunState,
    ServiceState,
    hold_lock,
    lock_is_held,
    read_state,
    write_state,
)


def test_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    services = {"history": ServiceState(pid=7, created=1.5, restarts=2, ended=-9)}
    state = RunState(supervisor=3, fingerprint="abc", services=services)

    write_state(tmp_path / "state.json", state)

    assert read_state(RunState, tmp_path / "state.json") == state
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("content", ["", "{", '{"supervisor": "x"}'])
def test_unreadable_state_is_no_state(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)

    assert read_state(RunState, path) is None


def test_missing_state_is_no_state(tmp_path: Path) -> None:
    assert read_state(Installation, tmp_path / "installation.json") is None


def test_lock_keeps_others_out_until_it_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "operate.lock"

    with hold_lock(path) as waited:
        assert waited is False
        assert lock_is_held(path)
        with pytest.raises(Conflict, match=r"operate\.lock"), hold_lock(path):
            pass
    assert not lock_is_held(path)


def test_lock_that_nobody_ever_took_is_free(tmp_path: Path) -> None:
    assert not lock_is_held(tmp_path / "operate.lock")
