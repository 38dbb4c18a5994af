"""The command line's manners, seen from outside: status, stdout, stderr."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from market.store.schema import head_revision

_PROGRAM = """
import sys
import typer
from market.command import run_command, stop_on_signals, time_option
from market.errors import InvalidParameter, NotFound, SettingsError

app = typer.Typer(add_completion=False)

@app.command()
def fail(kind: str, count: int = 1) -> None:
    if kind == "line":
        raise InvalidParameter("interval", "7m", "one of them", hint="Look it up.")
    if kind == "setting":
        raise SettingsError("KLINECAST_SYMBOLS", "?", "symbols")
    if kind == "missing":
        raise NotFound("symbol 'X' is not known here")
    if kind == "time":
        time_option("--start", "soon")
    if kind == "exit":
        raise typer.Exit(3)
    sys.stdout.write("done\\n")

@app.command()
def wait() -> None:
    stop = stop_on_signals()
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    stop.wait(30)

run_command(app)
"""


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(_PROGRAM))
    return [sys.executable, str(path)]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["fail", "nothing"], 0, ""),
        (["fail", "line"], 2, "error: interval was '7m'; expected one of them\nhint: Look it up."),
        (["fail", "setting"], 1, "error: KLINECAST_SYMBOLS was '?'; expected symbols"),
        (["fail", "missing"], 1, "error: symbol 'X' is not known here"),
        (["fail", "time"], 2, "error: --start was 'soon'; expected YYYY-MM-DD"),
        (["fail", "exit"], 3, ""),
        (["fail"], 2, "Missing argument"),
        (["fail", "x", "--count", "many"], 2, "--count"),
        (["nothing"], 2, "No such command"),
    ],
)
def test_command_ends_with_its_status(
    program: list[str], arguments: list[str], status: int, said: str
) -> None:
    done = subprocess.run(
        [*program, *arguments], capture_output=True, text=True, check=False, env=_plain()
    )

    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ("done\n" if status == 0 else "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_process_that_waits_for_it(program: list[str], number: int) -> None:
    process = subprocess.Popen([*program, "wait"], stdout=subprocess.PIPE, env=_plain())
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        process.send_signal(number)

        assert process.wait(10) == 0


def test_migrate_tells_what_it_did(tmp_path: Path) -> None:
    environment = {**_plain(), "KLINECAST_STORE_URL": f"sqlite:///{tmp_path / 'a' / 'store.db'}"}
    command = [str(Path(sys.executable).with_name("klinecast-market")), "migrate"]

    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
        for _ in range(2)
    )

    assert f"went from nothing to revision {head_revision()}" in first
    assert f"is already at revision {head_revision()}" in second


def test_migrate_with_a_wrong_store_url_says_so() -> None:
    environment = {**_plain(), "KLINECAST_STORE_URL": "postgresql://a:hunter2@b/c"}
    command = [str(Path(sys.executable).with_name("klinecast-market")), "migrate"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    assert done.returncode == 1
    assert done.stderr.startswith("error: KLINECAST_STORE_URL was 'postgresql://a:***@b/c'")
    assert "hunter2" not in done.stderr


def _plain() -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
