"""setup.sh before Python takes over: words, choices, and one clear sentence when it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run_setup(
    folder: Path, *arguments: str, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run setup.sh in a folder, without a terminal."""
    environment = {**os.environ, **({} if path is None else {"PATH": path})}
    return subprocess.run(
        ["/bin/sh", str(folder / "setup.sh"), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder that holds setup.sh alone."""
    shutil.copy2(ROOT / "setup.sh", tmp_path)
    return tmp_path


@pytest.fixture
def tools_without_python(tmp_path: Path) -> str:
    """A PATH with what setup.sh calls, but no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("dirname", "cat"):
        program = shutil.which(name)
        assert program is not None
        (folder / name).symlink_to(program)
    return str(folder)


@pytest.mark.parametrize("word", ["help", "-h", "--help"])
def test_help_needs_nothing(bare: Path, tools_without_python: str, word: str) -> None:
    answer = run_setup(bare, word, path=tools_without_python)

    assert answer.returncode == 0
    for command in ("status", "logs", "doctor", "down", "reset", "test", "--demo"):
        assert command in answer.stdout


def test_missing_python_is_one_clear_error(bare: Path, tools_without_python: str) -> None:
    answer = run_setup(bare, "--local", path=tools_without_python)

    assert answer.returncode == 1
    assert answer.stderr.startswith("error: no Python 3.11 or newer was found")
    assert "hint: " in answer.stderr
    assert answer.stdout == ""


def test_too_old_python_is_passed_over(bare: Path, tools_without_python: str) -> None:
    old = Path(tools_without_python) / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)

    answer = run_setup(bare, path=tools_without_python)

    assert answer.returncode == 1
    assert "no Python 3.11" in answer.stderr


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder as after a first start: the project's files and environment, nothing running."""
    shutil.copy2(ROOT / "setup.sh", tmp_path)
    shutil.copytree(ROOT / "up", tmp_path / "up")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


def test_unknown_command_is_refused(installed: Path) -> None:
    answer = run_setup(installed, "strat")

    assert answer.returncode == 2
    assert "strat" in answer.stderr


@pytest.mark.parametrize("command", ["status", "logs"])
def test_nothing_started_yet_is_said(installed: Path, command: str) -> None:
    answer = run_setup(installed, command)

    assert answer.returncode == 1
    assert "nothing was started here yet" in answer.stderr


def test_down_of_nothing_is_done(installed: Path) -> None:
    answer = run_setup(installed, "down")

    assert answer.returncode == 0
    assert "Nothing was running" in answer.stdout


def test_reset_without_a_terminal_wants_yes(installed: Path) -> None:
    answer = run_setup(installed, "reset")

    assert answer.returncode == 1
    assert "--yes" in answer.stderr


def test_wrong_setting_is_named(installed: Path) -> None:
    (installed / ".env").write_text("HISTORY_PORT=eighty\n")

    answer = run_setup(installed, "status")

    assert answer.returncode == 1
    assert "HISTORY_PORT was 'eighty'" in answer.stderr


def test_script_works_from_any_folder(
    installed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    answer = subprocess.run(
        ["/bin/sh", str(installed / "setup.sh"), "down"],
        cwd=elsewhere,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 0
    assert list(elsewhere.iterdir()) == []
