"""Sources that lie, at random: once they tell the truth, `repair` makes the store tell it too."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest

from market.store import open_store
from market.store.schema import migrate
from support.chaos_faults import draw_lie
from support.chaos_parts import Populator
from support.chaos_world import (
    INTERVALS,
    NOW,
    SINCE,
    SYMBOLS,
    find_differences,
    make_truth,
    write_truth,
)
from support.simulator import run_simulator

ROUNDS = 2


@pytest.mark.timeout(1800)
def test_repair_brings_the_truth_where_sources_lied(tmp_path: Path, sqlite_url: str) -> None:
    seed = int(os.environ.get("KLINECAST_TEST_CHAOS_SEED") or random.SystemRandom().getrandbits(32))
    sys.stdout.write(f"KLINECAST_TEST_CHAOS_SEED={seed}\n")
    dice = random.Random(seed)
    truth = make_truth()
    write_truth(truth, tmp_path / "data")
    series = [
        *(part for symbol in SYMBOLS for part in ("--symbol", symbol)),
        *(part for interval in INTERVALS for part in ("--interval", interval.value)),
    ]
    with run_simulator(
        tmp_path / "data", tmp_path / "simulator.log", ("--now", NOW, "--speed", "0")
    ) as simulator:
        environment = {
            **simulator.environment,
            "KLINECAST_STORE_URL": sqlite_url,
            "POPULATE_STATE_DIR": str(tmp_path / "state"),
        }

        def command(name: str, *arguments: str) -> Populator:
            return Populator([name, *series, *arguments], environment, tmp_path / "log")

        store = open_store(sqlite_url)
        migrate(store)
        lies = []
        for _ in range(ROUNDS):
            lies += [draw_lie(dice) for _ in range(dice.randint(1, 4))]
            for lie in lies:
                simulator.control("faults", **lie)
            backfill = command("backfill", "--start", SINCE)
            backfill.start()
            time.sleep(dice.uniform(0.5, 5))
            backfill.kill()
            backfill.run()
            simulator.control("faults", kind="reset")
        now_ms = int(simulator.control("clock", speed=0)["now_ms"])

        repaired = command("repair", "--start", SINCE, "--whole").run()
        wrong = find_differences(store, truth, now_ms)
        verified = command("verify", "--start", SINCE, "--whole").run()
        totals = simulator.totals()
        store.close()

    said = (tmp_path / "log").read_text(errors="replace")[-3000:]
    story = "\n".join([*wrong, f"seed {seed}", *map(str, lies), said])
    assert not wrong, story
    assert (repaired, verified) == (0, 0), story
    assert (totals["sent_while_limited"], totals["sent_while_banned"]) == (0, 0), story
