"""Every command of the operator's guide is run, in the guide's order."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.ports import free_port
from support.processes import running, wait_until
from support.simulator import Simulator, find_program, run_simulator
from support.workspace import ROOT

GUIDE = ROOT / "docs" / "populator.md"
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def commands() -> list[str]:
    """Return the guide's command lines."""
    blocks = _BLOCK.findall(GUIDE.read_text())
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """The bundled sample, its clock standing in June 2024."""
    options = ["--now", "2024-06-18T00:00:00Z", "--speed", "0"]
    data = ROOT / "simulator" / "sample"
    with run_simulator(data, tmp_path / "simulator.log", options) as simulator:
        yield simulator


@pytest.mark.timeout(600)
def test_every_command_of_the_guide_works(
    simulator: Simulator, sqlite_url: str, tmp_path: Path
) -> None:
    port = free_port()
    environment = {
        **os.environ,
        **simulator.environment,
        "KLINECAST_STORE_URL": sqlite_url,
        "KLINECAST_SYMBOLS": "quote:USDT",
        "POPULATE_SINCE": "2024-05-01",
        "POPULATE_PORT": str(port),
        "POPULATE_STATE_DIR": str(tmp_path / "state"),
    }
    lines = commands()
    assert len(lines) >= 10

    for line in lines:
        program, *arguments = shlex.split(line)
        if arguments[0] == "follow":
            _follow([find_program(program), *arguments], environment, port, tmp_path / "log")
            continue
        done = subprocess.run(
            [find_program(program), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
        assert done.stdout or program == "klinecast-market", line


def _follow(command: list[str], environment: dict[str, str], port: int, log: Path) -> None:
    log.write_bytes(b"")
    with running(command, log, environment=environment) as process:
        wait_until(lambda: _is_ready(port), "populate-base", process=process, log=log)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
