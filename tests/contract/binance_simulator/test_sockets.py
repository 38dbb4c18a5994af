"""Kline streams over real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from binance_simulator.streams import parse_stream, render_event
from market.interval import HOUR_MS, Interval
from market.kline import Kline
from support.archive import write_archive_months
from support.klines import START_MS, make_klines
from support.simulator import Simulator, run_simulator

HOURS = make_klines(Interval.H1, 60 * 24)
#: The clock stands in the hour of the kline with this number.
NUMBER = 1000
NOW_MS = START_MS + NUMBER * HOUR_MS + 1000


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Two months of hours."""
    folder = tmp_path_factory.mktemp("simulator")
    write_archive_months(folder / "data", "BTCUSDT", "1h", HOURS)
    with run_simulator(folder / "data", folder / "log") as running:
        yield running


@pytest.fixture
def simulator(serving: Simulator) -> Simulator:
    """The same simulator for each test, its clock frozen at `NOW_MS`."""
    set_clock(serving, NOW_MS)
    return serving


def set_clock(simulator: Simulator, now_ms: int, speed: float = 0) -> None:
    body = {"now": now_ms, "speed": speed}
    httpx.post(f"{simulator.url}/simulator/clock", json=body).raise_for_status()


def receive(socket: ClientConnection, limit_s: float = 5) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=limit_s))
    return message


def iter_closed(socket: ClientConnection) -> Iterator[dict[str, Any]]:
    while True:
        message = receive(socket)
        if message["k"]["x"]:
            yield message


def as_kline(event: dict[str, Any]) -> Kline:
    k = event["k"]
    return Kline(
        k["t"], k["o"], k["h"], k["l"], k["c"], k["v"], k["T"], k["q"], k["n"], k["V"], k["Q"]
    )  # fmt: skip


def test_messages_have_the_recorded_shape(recordings: Path) -> None:
    lines = (recordings / "ws" / "cryptofeed_kline_messages.jsonl").read_text().splitlines()
    events = [
        message.get("data", message) for line in lines if (message := json.loads(line)["msg"])
    ]
    stream = parse_stream("btcusdt@kline_1h")
    assert stream is not None

    ours = json.loads(
        render_event(stream, HOURS[0], NOW_MS, closed=True, microseconds=False, combined=False)
    )

    inner = ours["k"]
    assert isinstance(inner, dict)
    assert len(events) > 50
    for event in events:
        assert list(event) == list(ours)
        assert list(event["k"]) == list(inner)
        assert [type(v) for v in event["k"].values()] == [type(v) for v in inner.values()]


def test_open_kline_is_told_at_once_and_every_two_seconds(simulator: Simulator) -> None:
    with connect(f"{simulator.stream_url}/ws/btcusdt@kline_1h") as socket:
        first, began_s = receive(socket), time.monotonic()
        second, took_s = receive(socket), time.monotonic() - began_s

    assert first["e"] == "kline"
    assert first["E"] == NOW_MS
    assert first["s"] == "BTCUSDT"
    assert first["k"]["x"] is False
    assert first["k"]["o"] == first["k"]["c"] == HOURS[NUMBER].open
    assert second == first
    assert took_s > 1


def test_kline_is_told_once_when_it_closes(simulator: Simulator) -> None:
    with connect(f"{simulator.stream_url}/ws/btcusdt@kline_1h") as socket:
        assert receive(socket)["k"]["x"] is False

        set_clock(simulator, NOW_MS + HOUR_MS)
        closed, opened = receive(socket), receive(socket)
        third = receive(socket)

    assert closed["k"]["x"] is True
    assert as_kline(closed) == HOURS[NUMBER]
    assert (opened["k"]["x"], opened["k"]["t"]) == (False, HOURS[NUMBER + 1].open_time_ms)
    assert third["k"] == opened["k"]


def test_every_close_is_told_in_order_while_the_clock_runs(simulator: Simulator) -> None:
    with connect(f"{simulator.stream_url}/ws/btcusdt@kline_1h") as socket:
        receive(socket)
        set_clock(simulator, NOW_MS, speed=36_000)
        closed = iter_closed(socket)

        told = [as_kline(next(closed)) for _ in range(20)]

    assert told == HOURS[NUMBER : NUMBER + 20]


def test_clock_set_back_tells_again_from_there(simulator: Simulator) -> None:
    with connect(f"{simulator.stream_url}/ws/btcusdt@kline_1h") as socket:
        receive(socket)
        set_clock(simulator, NOW_MS - 10 * HOUR_MS)
        back = receive(socket)
        set_clock(simulator, NOW_MS - 9 * HOUR_MS)

        closed = next(iter_closed(socket))

    assert back["k"]["t"] == HOURS[NUMBER - 10].open_time_ms
    assert as_kline(closed) == HOURS[NUMBER - 10]


def test_combined_stream_names_each_stream_and_stays_silent_about_unknown_ones(
    simulator: Simulator,
) -> None:
    names = "btcusdt@kline_1h/btcusdt@kline_1d/nosuch@kline_1h/btcusdt@trade"
    with connect(f"{simulator.stream_url}/stream?streams={names}") as socket:
        messages = [receive(socket) for _ in range(4)]

    assert {message["stream"] for message in messages} == {"btcusdt@kline_1h", "btcusdt@kline_1d"}
    assert {message["data"]["k"]["i"] for message in messages} == {"1h", "1d"}


def test_day_is_told_from_the_hours_below_it(simulator: Simulator) -> None:
    day_ms = Interval.D1.floor(NOW_MS)
    with connect(f"{simulator.stream_url}/ws/btcusdt@kline_1d") as socket:
        k = receive(socket)["k"]

    hours = [h for h in HOURS if day_ms <= h.open_time_ms < START_MS + NUMBER * HOUR_MS]
    assert k["t"] == day_ms
    assert k["n"] == sum(hour.number_of_trades for hour in hours)
    assert k["c"] == HOURS[NUMBER].open


def test_subscribe_and_unsubscribe(simulator: Simulator) -> None:
    with connect(f"{simulator.stream_url}/ws") as socket:
        socket.send('{"method":"SUBSCRIBE","params":["btcusdt@kline_1h"],"id":1}')
        first, event = receive(socket), receive(socket)
        socket.send('{"method":"UNSUBSCRIBE","params":["btcusdt@kline_1h"],"id":2}')
        answer = receive(socket)
        while "result" not in answer:
            answer = receive(socket)
        set_clock(simulator, NOW_MS + HOUR_MS)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=2.5)

    assert first == {"result": None, "id": 1}
    assert event["e"] == "kline"
    assert answer == {"result": None, "id": 2}


def test_connection_survives_what_is_no_command(simulator: Simulator) -> None:
    with connect(f"{simulator.stream_url}/ws") as socket:
        for message in ("", "hello", b"\xff\x00", "[]"):
            socket.send(message)
        answers = [receive(socket) for _ in range(4)]
        socket.send(b'{"method":"LIST_SUBSCRIPTIONS","id":9}')
        last = receive(socket)

    assert [answer["error"]["code"] for answer in answers] == [3, 3, 3, 2]
    assert last == {"result": [], "id": 9}


def test_time_unit_is_microseconds_where_asked(simulator: Simulator) -> None:
    url = f"{simulator.stream_url}/ws/btcusdt@kline_1h?timeUnit=MICROSECOND"
    with connect(url) as socket:
        event = receive(socket)

    assert event["E"] == NOW_MS * 1000
    assert event["k"]["T"] == HOURS[NUMBER].close_time_ms * 1000 + 999


def test_dropped_streams_can_be_opened_again(simulator: Simulator) -> None:
    faults = f"{simulator.url}/simulator/faults"
    with connect(f"{simulator.stream_url}/ws/btcusdt@kline_1h") as socket:
        receive(socket)
        httpx.post(faults, json={"kind": "drop_streams"}).raise_for_status()
        with pytest.raises(ConnectionClosed):
            # One message may already have been on its way.
            [socket.recv(timeout=5) for _ in range(3)]
    httpx.post(faults, json={"kind": "status", "path": "/ws"}).raise_for_status()
    with pytest.raises(InvalidStatus), connect(f"{simulator.stream_url}/ws/btcusdt@kline_1h"):
        pass

    with connect(f"{simulator.stream_url}/ws/btcusdt@kline_1h") as socket:
        assert receive(socket)["e"] == "kline"
