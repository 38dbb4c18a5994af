"""A real simulator process: Binance's protocol on a free port."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from market.interval import Interval
from support.archive import write_archive_months
from support.klines import make_klines
from support.processes import running, wait_until


class Simulator(NamedTuple):
    """A running simulator: `url` for REST and archive, `stream_url` for streams."""

    url: str
    data: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def stream_url(self) -> str:
        """Return the host of the streams."""
        return self.url.replace("http://", "ws://", 1)

    def control(self, what: str, **asked: object) -> dict[str, Any]:
        """Turn one of its controls, `faults`, `clock` or `requests`; return what it says then."""
        answer = httpx.post(f"{self.url}/simulator/{what}", json=asked).raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def totals(self) -> dict[str, int]:
        """Return what its clients did so far."""
        totals: dict[str, int] = httpx.get(f"{self.url}/simulator/requests").json()["totals"]
        return totals

    def offences(self) -> list[dict[str, Any]]:
        """Return the requests that were sent by who had been told to wait."""
        told: list[dict[str, Any]] = httpx.get(f"{self.url}/simulator/requests").json()["offences"]
        return told

    @property
    def environment(self) -> dict[str, str]:
        """Return the settings that point a service at it."""
        return {
            "KLINECAST_BINANCE_REST_URL": self.url,
            "KLINECAST_BINANCE_STREAM_URL": self.stream_url,
            "KLINECAST_BINANCE_ARCHIVE_URL": self.url,
            "KLINECAST_DEMO": "true",
        }


def find_program(name: str) -> str:
    """Return the path of one of the project's own commands."""
    program = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if program is None:
        pytest.fail(f"{name} is not installed beside {sys.executable}: run `uv sync`")
    return program


@contextmanager
def run_simulator(data: Path, log: Path, options: Sequence[str] = ()) -> Iterator[Simulator]:
    """Serve the archive files below `data`; `options` are further ones of `serve`."""
    command = [find_program("binance-simulator"), "serve", "--data", str(data), "--port", "0"]
    if "--port" in options:
        del command[-2:]
    log.write_bytes(b"")
    with running([*command, *options], log) as process:
        wait_until(lambda: _address(log) != "", "binance-simulator", process=process, log=log)
        yield Simulator(_address(log), data, process, log)


def _address(log: Path) -> str:
    for line in log.read_text(errors="replace").splitlines(keepends=True):
        if line.startswith("ready http://") and line.endswith("\n"):
            return line.split()[1]
    return ""


@pytest.fixture
def simulator_data(tmp_path: Path) -> Path:
    """Archive files for `simulator`: 60 days of made-up BTCUSDT 1h from 2024-01-01.

    A test module that needs others defines a fixture of the same name.
    """
    folder = tmp_path / "archive"
    write_archive_months(folder, "BTCUSDT", "1h", make_klines(Interval.H1, 60 * 24))
    return folder


@pytest.fixture
def simulator_options() -> Sequence[str]:
    """Further options of `binance-simulator serve`; to be overridden like `simulator_data`."""
    return ()


@pytest.fixture
def simulator(
    simulator_data: Path, simulator_options: Sequence[str], tmp_path: Path
) -> Iterator[Simulator]:
    """A simulator over `simulator_data`, started with `simulator_options`."""
    log = tmp_path / "simulator.log"
    with run_simulator(simulator_data, log, simulator_options) as serving:
        yield serving
