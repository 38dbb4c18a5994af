"""What the simulator itself costs: it must not be the limit of what is measured against it.

Told is processor time of its process, which a busy machine changes less than the clock.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from market.interval import MINUTE_MS, Interval
from support.archive import write_archive_months
from support.klines import START_MS, make_klines
from support.simulator import Simulator, run_simulator

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

STREAMS = 1000
PAGES = 400
ZIP = "/data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01.zip"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Two months of minutes under 1,001 names, the budget lifted."""
    folder = tmp_path_factory.mktemp("simulator")
    klines = make_klines(Interval.M1, 60 * 1440)
    write_archive_months(folder / "data", "BTCUSDT", "1m", klines)
    options = (
        *("--clone", f"BTCUSDT:{STREAMS}", "--weight-limit", "100000000"),
        *("--now", "2024-02-10T00:00:30Z"),
    )
    with run_simulator(folder / "data", folder / "log", options) as running:
        yield running


def spent_s(simulator: Simulator) -> float:
    times = psutil.Process(simulator.process.pid).cpu_times()
    return float(times.user + times.system)


def tell(what: str) -> None:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    sys.stdout.write(f"{what} (load {load})\n")


@pytest.mark.parametrize("path", ["/api/v3/klines", ZIP])
def test_cost_of_an_answer(simulator: Simulator, path: str) -> None:
    params: dict[str, str | int] = {}
    with httpx.Client(base_url=simulator.url) as http:
        for warm in (True, False):
            began_s, size = spent_s(simulator), 0
            for number in range(PAGES):
                if path != ZIP:
                    start_ms = START_MS + number % 40 * 1000 * MINUTE_MS
                    params = {"symbol": "BTCUSDT", "interval": "1m", "limit": 1000}
                    params["startTime"] = start_ms
                size += len(http.get(path, params=params).raise_for_status().content)
            cost_ms = (spent_s(simulator) - began_s) / PAGES * 1000
            if not warm:
                tell(f"{path}: {cost_ms:.2f} ms of processor for {size / PAGES / 1e6:.2f} MB")

    assert size > 0


def test_cost_of_a_thousand_streams(simulator: Simulator) -> None:
    names = [f"btc{number:04d}usdt@kline_1m" for number in range(1, STREAMS + 1)]
    with connect(f"{simulator.stream_url}/stream", max_queue=100_000) as socket:
        socket.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
        until_s = time.monotonic() + 5
        while time.monotonic() < until_s:
            socket.recv(timeout=10)
        began_s, messages, closed = spent_s(simulator), 0, set()
        started_s = time.monotonic()
        while (seconds := time.monotonic() - started_s) < 60:
            message = json.loads(socket.recv(timeout=10))
            messages += 1
            if message["data"]["k"]["x"]:
                closed.add(message["stream"])
        share = (spent_s(simulator) - began_s) / seconds

    tell(f"{STREAMS} streams: {share:.1%} of a core, {messages / seconds:.0f} messages/s")
    assert len(closed) == STREAMS
