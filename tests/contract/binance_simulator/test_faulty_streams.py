"""Faults of streams, and their limits, over real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from market.interval import HOUR_MS, Interval
from support.archive import write_archive_months
from support.klines import START_MS, make_klines
from support.simulator import Simulator, run_simulator

HOURS = make_klines(Interval.H1, 60 * 24)
NUMBER = 1000
NOW_MS = START_MS + NUMBER * HOUR_MS + 1000
NAME = "btcusdt@kline_1h"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Two months of hours under 1,101 names."""
    folder = tmp_path_factory.mktemp("simulator")
    write_archive_months(folder / "data", "BTCUSDT", "1h", HOURS)
    with run_simulator(folder / "data", folder / "log", ("--clone", "BTCUSDT:1100")) as running:
        yield running


@pytest.fixture
def simulator(serving: Simulator) -> Simulator:
    serving.control("faults", kind="reset")
    serving.control("clock", now=NOW_MS, speed=0)
    return serving


def receive(socket: ClientConnection, limit_s: float = 5) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=limit_s))
    return message


def receive_closed(socket: ClientConnection) -> dict[str, Any]:
    while True:
        message = receive(socket)
        if message["k"]["x"]:
            return message["k"]  # type: ignore[no-any-return]


def closed_code(socket: ClientConnection) -> tuple[int, str]:
    frame = None
    while frame is None:
        try:
            socket.recv(timeout=5)
        except ConnectionClosed as closed:
            frame = closed.rcvd
            assert frame is not None
    return frame.code, frame.reason


def test_silence_sends_nothing_and_what_closed_meanwhile_is_never_told(
    simulator: Simulator,
) -> None:
    with connect(f"{simulator.stream_url}/ws/{NAME}") as socket:
        receive(socket)
        simulator.control("faults", kind="silence")
        with pytest.raises(TimeoutError):
            # One message may already have been on its way.
            [socket.recv(timeout=2.5) for _ in range(2)]
        simulator.control("clock", now=NOW_MS + HOUR_MS, speed=0)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=2.5)
        simulator.control("faults", kind="reset")
        simulator.control("clock", now=NOW_MS + 2 * HOUR_MS, speed=0)

        assert receive_closed(socket)["t"] == HOURS[NUMBER + 1].open_time_ms


def test_silence_of_one_symbol_leaves_the_others(simulator: Simulator) -> None:
    simulator.control("faults", kind="silence", symbol="BTCUSDT")
    names = f"{NAME}/btc0001usdt@kline_1h"
    with connect(f"{simulator.stream_url}/stream?streams={names}") as socket:
        heard = {receive(socket)["stream"] for _ in range(3)}

    assert heard == {"btc0001usdt@kline_1h"}


def test_server_shutdown_is_told_and_then_done(simulator: Simulator) -> None:
    with (
        connect(f"{simulator.stream_url}/ws/{NAME}") as raw,
        connect(f"{simulator.stream_url}/stream?streams={NAME}") as combined,
    ):
        receive(raw)
        receive(combined)
        simulator.control("faults", kind="server_shutdown", after_s=0.5)
        told = receive(raw)
        wrapped = receive(combined)
        code, _ = closed_code(raw)

    assert told == {"e": "serverShutdown", "E": NOW_MS}
    assert wrapped == {"stream": "!serverShutdown", "data": told}
    assert code == 1001


def test_late_final_comes_after_its_delay(simulator: Simulator) -> None:
    simulator.control("faults", kind="late_finals", delay_s=30)
    with connect(f"{simulator.stream_url}/ws/{NAME}") as socket:
        receive(socket)
        end_ms = START_MS + (NUMBER + 1) * HOUR_MS
        simulator.control("clock", now=end_ms + 29_999, speed=0)
        meanwhile = receive(socket)
        simulator.control("clock", now=end_ms + 30_000, speed=0)
        final = receive(socket)

    assert (meanwhile["k"]["x"], meanwhile["k"]["t"]) == (False, end_ms)
    assert (final["k"]["x"], final["k"]["t"]) == (True, HOURS[NUMBER].open_time_ms)


def test_changed_final_differs_from_rest(simulator: Simulator) -> None:
    simulator.control(
        "faults", kind="changed_final", change={"number_of_trades": "+1", "volume": "*1.5"}
    )
    with connect(f"{simulator.stream_url}/ws/{NAME}") as socket:
        receive(socket)
        simulator.control("clock", now=NOW_MS + HOUR_MS, speed=0)
        final = receive_closed(socket)

    assert final["n"] == HOURS[NUMBER].number_of_trades + 1
    assert float(final["v"]) == pytest.approx(float(HOURS[NUMBER].volume) * 1.5)
    assert final["c"] == HOURS[NUMBER].close


def test_delisted_symbol_falls_silent(simulator: Simulator) -> None:
    at = START_MS + (NUMBER + 1) * HOUR_MS
    simulator.control("faults", kind="delisted", symbol="BTC0002USDT", at=at)
    with connect(f"{simulator.stream_url}/ws/btc0002usdt@kline_1h") as socket:
        receive(socket)
        simulator.control("clock", now=at + HOUR_MS, speed=0)
        last = receive_closed(socket)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=2.5)

    assert last["t"] == HOURS[NUMBER].open_time_ms


def test_drop_comes_at_its_time_with_its_code(simulator: Simulator) -> None:
    simulator.control("faults", kind="drop_streams", code=1012, **{"from": NOW_MS + 1000})
    with connect(f"{simulator.stream_url}/ws/{NAME}") as socket:
        receive(socket)
        simulator.control("clock", now=NOW_MS + 1000, speed=0)

        assert closed_code(socket)[0] == 1012


def test_connection_lives_as_long_as_it_may(simulator: Simulator) -> None:
    simulator.control("faults", kind="connection_life", life_s=1)
    with connect(f"{simulator.stream_url}/ws/{NAME}") as socket:
        began_s = time.monotonic()
        code, _ = closed_code(socket)

    assert code == 1001
    assert time.monotonic() - began_s > 0.8


def test_more_than_five_messages_a_second_end_the_connection(simulator: Simulator) -> None:
    with connect(f"{simulator.stream_url}/ws") as socket:
        for number in range(6):
            socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))

        assert closed_code(socket) == (1008, "Too many requests")


def subscribe(socket: ClientConnection, names: list[str]) -> dict[str, Any]:
    socket.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
    while "id" not in (answer := receive(socket)):
        pass
    return answer


def test_connection_carries_1024_streams_and_no_more(simulator: Simulator) -> None:
    names = [f"btc{number:04d}usdt@kline_1h" for number in range(1, 1026)]
    with connect(f"{simulator.stream_url}/ws") as socket:
        answer = subscribe(socket, names[:1024])
        heard: set[str] = set()
        while len(heard) < 1024:
            heard.add(receive(socket)["s"])
        refused = subscribe(socket, names[1024:])

    assert answer == {"result": None, "id": 1}
    assert refused["error"]["code"] == 2


@pytest.mark.parametrize(("count", "status"), [(300, 101), (400, 414), (1025, 414)])
def test_address_of_a_connection_is_at_most_8_kb(
    simulator: Simulator, count: int, status: int
) -> None:
    names = "/".join(f"btc{number:04d}usdt@kline_1h" for number in range(1, count + 1))
    try:
        with connect(f"{simulator.stream_url}/stream?streams={names}") as socket:
            receive(socket)
            found = 101
    except InvalidStatus as refused:
        found = refused.response.status_code

    assert found == status


def test_connections_are_limited_in_five_minutes(tmp_path: Path) -> None:
    write_archive_months(tmp_path / "data", "BTCUSDT", "1h", HOURS[:48])
    scenario = tmp_path / "scenario.toml"
    scenario.write_text("[limits]\nconnections = 2\n")
    options = ("--scenario", str(scenario))
    with run_simulator(tmp_path / "data", tmp_path / "log", options) as running:
        refused = 0
        # A window of five minutes may begin once in between.
        for _ in range(6):
            try:
                with connect(f"{running.stream_url}/ws/{NAME}"):
                    pass
            except InvalidStatus:
                refused += 1
        totals = running.totals()

    assert 2 <= refused <= 4
    assert totals["stream_connections"] == 6
    assert totals["stream_connections_refused"] == refused
