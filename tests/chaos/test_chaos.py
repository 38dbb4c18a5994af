"""The populator among faults drawn at random: at the end its store is what the exchange says.

The seed is printed; KLINECAST_TEST_CHAOS_SEED takes it again. What is drawn and in which
order repeats, the moments within the processes do not.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from market.store import Store, open_store
from market.store.schema import migrate
from market.times import format_time, parse_time_ms
from support.chaos_faults import draw_fault
from support.chaos_parts import Database, Populator, own_database
from support.chaos_world import (
    INTERVALS,
    NOW,
    SINCE,
    SYMBOLS,
    Truth,
    find_differences,
    make_truth,
    write_truth,
)
from support.ports import free_port
from support.simulator import Simulator, run_simulator

#: Exchange seconds a second: a minute's kline closes twice a second.
SPEED = 120
#: Seconds the populator gets to make everything good once the faults are over.
PATIENCE_S = 300.0
#: Seconds the clock runs on after the faults, so that the newest klines are true ones too.
QUIET_S = 12.0
#: How many differences a failure lists.
MOST_LINES = 20
#: What a process needs at most to write down that it was told to wait, on a busy machine.
TELLING_MS = 1000


class Chaos:
    """A simulator, a populator and a database, and the dice that break them."""

    def __init__(
        self, simulator: Simulator, database: Database, folder: Path, dice: random.Random
    ) -> None:
        self._simulator = simulator
        self._database = database
        self._dice = dice
        self.history: list[str] = []
        self._muted: list[tuple[int, int]] = []
        environment = {
            **simulator.environment,
            "KLINECAST_STORE_URL": database.url,
            "KLINECAST_SYMBOLS": ",".join(SYMBOLS),
            "KLINECAST_INTERVALS": ",".join(map(str, INTERVALS)),
            "POPULATE_SINCE": SINCE,
            "POPULATE_PORT": str(free_port()),
            "POPULATE_STREAM_SILENCE_S": "4",
            "POPULATE_CONFIRM_S": "120",
            "POPULATE_STATE_DIR": str(folder / "state"),
        }
        self.follow = Populator(["follow"], environment, folder / "follow.log")
        wanted = [
            *(part for symbol in SYMBOLS for part in ("--symbol", symbol)),
            *(part for interval in INTERVALS for part in ("--interval", interval.value)),
        ]
        self.backfill = Populator(
            ["backfill", *wanted, "--start", SINCE], environment, folder / "backfill.log"
        )

    def run(self, seconds: float) -> None:
        """Break something every second or so, for so long."""
        end_s = time.monotonic() + seconds
        self.follow.start()
        while time.monotonic() < end_s:
            time.sleep(self._dice.uniform(0.2, 2.0))
            if self.follow.status is not None:
                pytest.fail(f"follow ended by itself, status {self.follow.status}: {self.tail()}")
            action = self._dice.choices(
                (self._fault, self._kill, self._pause, self._backfill, self._restart_database),
                weights=(20, 3, 1, 2, 1),
            )[0]
            action()
        self._simulator.control("faults", kind="reset")
        self.backfill.stop()

    def _note(self, what: str) -> None:
        self.history.append(f"{format_time(int(time.time() * 1000))} {what}")

    def _kill_one(self, populator: Populator) -> None:
        populator.kill()
        killed_ms = int(time.time() * 1000)
        self._muted.append((killed_ms, killed_ms))

    def is_excused(self, offence: Mapping[str, Any]) -> bool:
        """Tell whether nobody could know: who was told was killed or paused before it told."""
        told_ms = parse_time_ms("at", offence["at"]) - offence["seconds_since_told"] * 1000
        return any(first - TELLING_MS <= told_ms <= last for first, last in self._muted)

    def _fault(self) -> None:
        body = draw_fault(self._dice)
        self._note(str(body))
        self._simulator.control("faults", **body)

    def _kill(self) -> None:
        self._note("kill follow")
        self._kill_one(self.follow)
        time.sleep(self._dice.uniform(0, 2))
        self.follow.start()

    def _pause(self) -> None:
        self._note("pause follow")
        paused_ms = int(time.time() * 1000)
        self.follow.signal(signal.SIGSTOP)
        time.sleep(self._dice.uniform(0.5, 4))
        self.follow.signal(signal.SIGCONT)
        self._muted.append((paused_ms, int(time.time() * 1000)))

    def _backfill(self) -> None:
        self._note("kill and start backfill")
        self._kill_one(self.backfill)
        self.backfill.start()

    def _restart_database(self) -> None:
        if self._database.can_stop:
            self._note("restart the database")
            self._database.stop()
            time.sleep(self._dice.uniform(0, 3))
            self._database.start()

    def tail(self) -> str:
        """Return the end of the populator's log and what was done to it."""
        said = self.follow.log.read_text(errors="replace")[-3000:]
        return "\n".join([*self.history[-30:], said])

    def end(self) -> None:
        """End what still runs."""
        self.follow.signal(signal.SIGCONT)
        self.follow.kill()
        self.backfill.kill()


@contextmanager
def chaos(folder: Path, seed: int) -> Iterator[tuple[Chaos, Simulator, Store, Truth]]:
    """Start everything, and end it."""
    truth = make_truth()
    write_truth(truth, folder / "data")
    with ExitStack() as stack:
        database = stack.enter_context(own_database(folder))
        options = ("--now", NOW, "--speed", str(SPEED))
        simulator = stack.enter_context(
            run_simulator(folder / "data", folder / "simulator.log", options)
        )
        store = open_store(database.url)
        stack.callback(store.close)
        migrate(store)
        running = Chaos(simulator, database, folder, random.Random(seed))
        stack.callback(running.end)
        yield running, simulator, store, truth


def settle(running: Chaos, simulator: Simulator, store: Store, truth: Truth) -> list[str]:
    """Let the populator make good what it missed; return what is wrong at the end."""
    time.sleep(QUIET_S)
    now_ms = int(simulator.control("clock", speed=0)["now_ms"])
    deadline_s = time.monotonic() + PATIENCE_S
    while (wrong := find_differences(store, truth, now_ms)) and time.monotonic() < deadline_s:
        if running.follow.status is not None:
            return [*wrong, f"follow ended by itself, status {running.follow.status}"]
        time.sleep(1)
    return wrong


def check_survival(folder: Path, seconds: float) -> None:
    """Break things for so long, then compare the store with the truth."""
    seed = int(os.environ.get("KLINECAST_TEST_CHAOS_SEED") or random.SystemRandom().getrandbits(32))
    sys.stdout.write(f"KLINECAST_TEST_CHAOS_SEED={seed}\n")
    with chaos(folder, seed) as (running, simulator, store, truth):
        running.run(seconds)
        wrong = settle(running, simulator, store, truth)
        offences = [one for one in simulator.offences() if not running.is_excused(one)]
        story = f"seed {seed}, {len(running.history)} events\n{running.tail()}"

        assert not wrong, "\n".join([story, f"{len(wrong)} wrong", *wrong[:MOST_LINES]])
        assert running.follow.stop() == 0, story
        assert not offences, "\n".join([*map(str, offences), str(simulator.totals()), story])
        assert httpx.get(f"{simulator.url}/healthz").status_code == 200


@pytest.mark.timeout(1200)
def test_store_is_the_truth_after_a_minute_of_faults(tmp_path: Path) -> None:
    check_survival(tmp_path, 60)


@pytest.mark.chaos
@pytest.mark.timeout(2400)
def test_store_is_the_truth_after_twenty_minutes_of_faults(tmp_path: Path) -> None:
    check_survival(tmp_path, 20 * 60)
