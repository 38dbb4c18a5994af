"""The command itself: its first line, its end, its clock over restarts, its refusals."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from market.interval import HOUR_MS, Interval
from support.archive import write_archive_months
from support.klines import START_MS, make_klines
from support.processes import wait_until
from support.simulator import Simulator, find_program, run_simulator

END_MS = START_MS + 60 * 24 * HOUR_MS


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulator that no test changes."""
    folder = tmp_path_factory.mktemp("simulator")
    write_archive_months(folder / "data", "BTCUSDT", "1h", make_klines(Interval.H1, 60 * 24))
    with run_simulator(folder / "data", folder / "log") as running:
        yield running


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [find_program("binance-simulator"), "serve", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def now_ms(url: str) -> int:
    return int(httpx.get(f"{url}/api/v3/time").json()["serverTime"])


def clock(url: str) -> dict[str, object]:
    told: dict[str, object] = httpx.get(f"{url}/simulator/clock").json()
    return told


def test_clock_starts_at_the_newest_close_and_stays_at_the_end(serving: Simulator) -> None:
    assert now_ms(serving.url) == END_MS
    assert clock(serving.url)["ended"] is True


def test_first_line_says_ready(serving: Simulator) -> None:
    assert serving.log.read_text().startswith(f"ready {serving.url}\n")


def test_clock_runs_as_fast_as_asked_and_stops_at_the_end(
    simulator_data: Path, tmp_path: Path
) -> None:
    start = "2024-02-29T21:00:00Z"
    with run_simulator(simulator_data, tmp_path / "log", ("--now", start, "--speed", "3600")) as s:
        before_s, before_ms = time.monotonic(), now_ms(s.url)
        time.sleep(0.5)
        after_ms = now_ms(s.url)
        most_s = time.monotonic() - before_s
        wait_until(lambda: clock(s.url)["ended"] is True, "the end of the data")

        assert 0.5 * HOUR_MS <= after_ms - before_ms <= most_s * HOUR_MS + HOUR_MS
        assert now_ms(s.url) == END_MS


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_clock_goes_on_where_it_stopped(
    simulator_data: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    state = tmp_path / "clock.json"
    options = ("--now", "2024-02-01T00:00:00Z", "--speed", "3600", "--state", str(state))
    with run_simulator(simulator_data, tmp_path / "log", options) as serving:
        started_ms = now_ms(serving.url)
        time.sleep(1.5)
        last_ms = now_ms(serving.url)
        serving.process.send_signal(stop)
        serving.process.wait(10)

    kept_ms = json.loads(state.read_bytes())["now_ms"]
    frozen = (*options[:3], "0", *options[4:])
    with run_simulator(simulator_data, tmp_path / "log", frozen) as serving:
        resumed_ms = now_ms(serving.url)

    assert resumed_ms == kept_ms > started_ms
    # Written every second, and at an orderly end once more.
    assert last_ms - kept_ms < (2 * 3600 * 1000 if stop is signal.SIGKILL else 1)


def test_sigterm_ends_with_status_zero_while_streams_are_open(simulator: Simulator) -> None:
    with connect(f"{simulator.stream_url}/ws/btcusdt@kline_1h") as socket_:
        socket_.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        socket_.recv(timeout=5)

        simulator.process.send_signal(signal.SIGTERM)

        assert simulator.process.wait(8) == 0


def test_taken_port_is_one_line_and_status_one(simulator_data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        ended = run("--data", str(simulator_data), "--port", port)

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[0] == f"error: port {port} of 127.0.0.1 is taken"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--data", "nowhere"), "--data was 'nowhere'"),
        (("--now", "noon"), "--now was 'noon'"),
        (("--now", "2030-01-01"), "--now was '2030-01-01'"),
        (("--speed", "-1"), "speed was -1.0"),
        (("--state", "no/such/folder/clock.json"), "--state was 'no/such/folder/clock.json'"),
        (("--host", "203.0.113.1"), "--host was '203.0.113.1'"),
        (("--scenario", "nowhere.toml"), "--scenario was 'nowhere.toml'"),
        (("--alias", "NEWUSDT"), "--alias was 'NEWUSDT'; expected NEWUSDT=BTCUSDT"),
        (("--alias", "NEWUSDT=XYZUSDT"), "--alias was 'NEWUSDT=XYZUSDT'; expected a symbol with"),
        (("--clone", "BTCUSDT:0"), "--clone was 'BTCUSDT:0'; expected BTCUSDT:N"),
        (("--clone", "XYZUSDT:2"), "--clone was 'XYZUSDT:2'; expected a symbol with files"),
    ],
)
def test_wrong_options_are_one_error(
    simulator_data: Path, options: Sequence[str], said: str
) -> None:
    ended = run("--data", str(simulator_data), "--port", "0", *options)

    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {said}")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('kind = "status"\nstatus = 99', "faults[2] status was 99; expected an integer from 400"),
        ('kind = "delisted"\nsymbol = "XYZUSDT"\nat = 5', "faults[2] symbol was 'XYZUSDT'"),
    ],
)
def test_wrong_scenario_is_one_line_that_names_the_entry(
    simulator_data: Path, tmp_path: Path, entry: str, said: str
) -> None:
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(f'[[faults]]\nkind = "silence"\n[[faults]]\n{entry}\n')

    ended = run("--data", str(simulator_data), "--port", "0", "--scenario", str(scenario))

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[0].startswith(f"error: {said}")
    assert "Traceback" not in ended.stderr


def test_folder_without_klines_is_refused(tmp_path: Path) -> None:
    ended = run("--data", str(tmp_path), "--port", "0")

    assert ended.returncode == 2
    assert "SYMBOL-INTERVAL-YYYY-MM[-DD].zip" in ended.stderr


def test_state_of_something_else_is_refused(simulator_data: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text("not a clock")

    ended = run("--data", str(simulator_data), "--port", "0", "--state", str(state))

    assert ended.returncode == 1
    assert "is not the state of a clock" in ended.stderr
    assert state.read_text() == "not a clock"


@pytest.mark.parametrize(
    "asked",
    [{"now": "noon"}, {"now": 1.5}, {"speed": -1}, {"speed": "fast"}, {"time": 1}, [], "x"],
)
def test_clock_control_refuses_and_changes_nothing(serving: Simulator, asked: object) -> None:
    before = clock(serving.url)

    response = httpx.post(f"{serving.url}/simulator/clock", json=asked)

    assert response.status_code == 422
    assert response.json()["error"] == "InvalidParameter"
    assert clock(serving.url) == before


def test_fault_control_refuses_what_is_not_json(serving: Simulator) -> None:
    response = httpx.post(f"{serving.url}/simulator/faults", content=b"{")

    assert response.status_code == 422
    assert httpx.get(f"{serving.url}/simulator/faults").json() == {"faults": []}


def test_health(serving: Simulator) -> None:
    assert httpx.get(f"{serving.url}/healthz").json() == {"alive": True}
    assert httpx.get(f"{serving.url}/readyz").json()["ready"] is True
