"""A running `populate-base follow`, for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from market.interval import HOUR_MS, Interval
from market.store import Store
from market.times import parse_time_ms
from support.klines import START_MS
from support.populator import HOURS, ledger_of, stored_klines, stored_series
from support.ports import free_port
from support.processes import running, wait_until
from support.simulator import Simulator, find_program

SINCE = "2024-02-10"


class Following:
    """A running `populate-base follow`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.log = log

    def is_ready(self) -> bool:
        """Tell whether /readyz says so."""
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def readiness(self) -> str:
        """Return what /readyz says, empty where nothing answers."""
        try:
            return httpx.get(f"{self.url}/readyz").text
        except httpx.HTTPError:
            return ""

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples, 0 where there is none."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(
            float(line.split()[-1]) for line in lines if line.split("{")[0].split()[0] == name
        )

    def wait(self, is_true: object, what: str) -> None:
        """Wait for a condition while the process runs."""
        assert callable(is_true)
        wait_until(is_true, what, process=self.process, log=self.log)


@contextmanager
def following(
    simulator: Simulator, store_url: str, folder: Path, **settings: str
) -> Iterator[Following]:
    """Follow BTCUSDT 1h from `SINCE`."""
    port = free_port()
    environment = {
        **simulator.environment,
        "KLINECAST_STORE_URL": store_url,
        "KLINECAST_SYMBOLS": "BTCUSDT",
        "KLINECAST_INTERVALS": "1h",
        "POPULATE_SINCE": SINCE,
        "POPULATE_PORT": str(port),
        "POPULATE_STATE_DIR": str(folder / "state"),
        **settings,
    }
    log = folder / f"follow-{port}.log"
    with running(
        [find_program("populate-base"), "follow"], log, environment=environment
    ) as process:
        yield Following(process, port, log)


def count_stored(store: Store) -> int:
    return len(stored_klines(store, stored_series(store, Interval.H1)))


def check_whole(store: Store) -> None:
    """Check that what is stored is what the exchange has: from `SINCE`, without a hole."""
    series = stored_series(store, Interval.H1)
    stored = stored_klines(store, series)
    first = (parse_time_ms("time", SINCE) - START_MS) // HOUR_MS
    assert stored == HOURS[first : first + len(stored)]
    assert ledger_of(store, series) == ([], stored[-1].open_time_ms)
