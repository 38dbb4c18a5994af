"""Several processes behind one address never use more weight than the budget together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from market.store import open_store
from market.store.request_weight import write_weight_limit
from market.store.schema import migrate
from support.simulator import Simulator

LIMIT = 400
BUDGET = LIMIT // 2
PROCESSES = 3


@pytest.fixture
def simulator_options() -> tuple[str, ...]:
    """A clock that hurries, and a small limit that is enforced."""
    return (
        *("--now", "2024-02-15T12:30:00Z", "--speed", "60"),
        *("--weight-limit", str(LIMIT)),
    )


def hammer(store_url: str, simulator: Simulator) -> list[dict[str, int]]:
    """Let several processes ask as fast as they may over the turn of a minute."""
    tests = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "support.weight_hammer", store_url, simulator.url, "3"]
    started = [
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": tests},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]
    told = []
    for process in started:
        out, complaint = process.communicate(timeout=150)
        assert process.returncode == 0, complaint.decode()[-2000:]
        told.append(json.loads(out))
    return told


def prepare(store_url: str) -> None:
    store = open_store(store_url)
    migrate(store)
    write_weight_limit(store, "binance", LIMIT, 1)
    store.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("engine", ["sqlite", "mysql"])
def test_processes_together_stay_within_the_budget(
    request: pytest.FixtureRequest, simulator: Simulator, engine: str
) -> None:
    store_url = request.getfixturevalue(f"{engine}_url")
    prepare(store_url)
    if time.time() % 60 > 50:
        time.sleep(60 - time.time() % 60)

    told = hammer(store_url, simulator)

    assert max(one["most"] for one in told) <= BUDGET
    # It was used, but for what is not given around the turn of a minute.
    assert sum(one["requests"] for one in told) * 2 >= BUDGET * 0.7


@pytest.mark.timeout(400)
def test_another_program_of_this_address_is_made_way_for(
    simulator: Simulator, sqlite_url: str
) -> None:
    prepare(sqlite_url)
    if time.time() % 60 > 45:
        time.sleep(60 - time.time() % 60)
    stop, statuses = threading.Event(), set()

    def other() -> None:
        with httpx.Client() as client:
            for _ in range(BUDGET // 2):
                statuses.add(client.get(f"{simulator.url}/api/v3/ping").status_code)
                if stop.wait(0.02):
                    return

    thread = threading.Thread(target=other)
    thread.start()
    told = hammer(sqlite_url, simulator)
    stop.set()
    thread.join()

    # Nobody was refused, and beyond the budget came only what was on its way already.
    assert statuses == {200}
    assert max(one["most"] for one in told) <= BUDGET + 12 * PROCESSES
