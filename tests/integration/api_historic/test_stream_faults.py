"""Push where something is wrong: slow listeners, too many, a store that is away, the end."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import make_url
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from market.interval import HOUR_MS, Interval
from market.shapes import ErrorBody
from support.history_api import add_series, history_api, new_store
from support.history_process import serving
from support.klines import START_MS, make_klines
from support.processes import end
from support.stream_listener import PATIENCE_S, Listener, append_klines, listening

NOW_MS = START_MS + 10_000 * HOUR_MS


class SlowListener:
    """A raw socket that reads only when told to."""

    def __init__(self, api: str, query: str = "") -> None:
        url = httpx.URL(api)
        assert url.port is not None
        self._socket = socket.create_connection((url.host, url.port))
        self._socket.sendall(
            f"GET /v1/stream?{query} HTTP/1.1\r\nHost: {url.host}\r\n\r\n".encode()
        )

    def read_events(self) -> list[dict[str, Any]]:
        """Read all there is until the API ends the answer."""
        self._socket.settimeout(PATIENCE_S)
        content = bytearray()
        while not content.endswith(b"\r\n0\r\n\r\n") and (part := self._socket.recv(1 << 20)):
            content += part
        self._socket.close()
        return [_parse(event) for event in _unchunk(bytes(content)).split("\n\n") if event]


def _unchunk(content: bytes) -> str:
    body, _, content = b"", *content.partition(b"\r\n\r\n")[1:]
    while content:
        size, _, content = content.partition(b"\r\n")
        body, content = body + content[: int(size, 16)], content[int(size, 16) + 2 :]
    return body.decode()


def _parse(text: str) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(": ")
        event[name] = json.loads(value) if name == "data" else value
    return event


def test_slow_listener_is_cut_with_a_reason_and_loses_nothing(tmp_path: Path) -> None:
    store = new_store(f"sqlite:///{tmp_path / 'store.db'}")
    klines = make_klines(Interval.M1, 90_000)
    series = add_series(store, "BTCUSDT", Interval.M1, klines[:100])
    with history_api(store, NOW_MS) as api, listening(api) as quick:
        slow = SlowListener(api)
        quick.next()
        before, stored = _cuts(api), 100
        while _cuts(api) == before:
            fresh = klines[stored : stored + 900]
            append_klines(store, series, fresh)
            quick.opens(len(fresh))
            stored += len(fresh)
        events = slow.read_events()

        assert events[-1]["event"] == "cut"
        assert "too slow" in events[-1]["data"]["reason"]
        heard = [
            row[0] for one in events if one["event"] == "klines" for row in one["data"]["klines"]
        ]
        last_id = next(one["id"] for one in reversed(events) if one.get("id"))
        with listening(api, f"after={last_id}") as resumed:
            resumed.next()
            while heard[-1] < klines[stored - 1].open_time_ms:
                event = resumed.next()
                data = event["data"]
                if event["event"] == "klines":
                    heard += [row[0] for row in data["klines"]]
                else:  # what can't be found at once is told as a range
                    assert event["event"] == "history", event
                    heard += range(data["start_ms"], data["end_ms"], 60_000)

    assert heard == [kline.open_time_ms for kline in klines[100:stored]]


def _cuts(api: str) -> str:
    lines = httpx.get(f"{api}/metrics").text.splitlines()
    return next(line for line in lines if line.startswith("history_stream_cut_total"))


def _carry(
    source: socket.socket, target: socket.socket, shut: threading.Event, over: threading.Event
) -> None:
    source.settimeout(0.1)
    with suppress(OSError):
        while not (shut.is_set() or over.is_set()):
            try:
                data = source.recv(1 << 16)
            except TimeoutError:
                continue
            if not data:
                break
            target.sendall(data)
    for one in (source, target):
        one.close()


@contextmanager
def gate(url: str) -> Iterator[tuple[str, threading.Event]]:
    """Stand before a database: yield a URL through the gate, and what shuts it while set."""
    server = make_url(url)
    shut, over = threading.Event(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)

    def accept() -> None:
        while not over.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            if shut.is_set():
                client.close()
                continue
            upstream = socket.create_connection((server.host, server.port or 3306))
            for pair in ((client, upstream), (upstream, client)):
                threading.Thread(target=_carry, args=(*pair, shut, over), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        port = listener.getsockname()[1]
        yield server.set(port=port).render_as_string(hide_password=False), shut
    finally:
        over.set()
        thread.join()
        listener.close()


def test_store_that_goes_away_is_told_and_nothing_is_lost(mysql_url: str) -> None:
    klines = make_klines(Interval.M1, 20)
    store = new_store(mysql_url)
    series = add_series(store, "BTCUSDT", Interval.M1, klines[:5])
    with (
        gate(mysql_url) as (through, shut),
        history_api(new_store(through), NOW_MS) as api,
        listening(api) as staying,
        listening(api) as leaving,
    ):
        position = leaving.next()["id"]
        staying.next()
        leaving.close()
        shut.set()
        away = staying.next()
        append_klines(store, series, klines[5:8])
        refused = httpx.get(f"{api}/v1/stream?symbol=BTCUSDT")
        with listening(api, f"after={position}") as resumed:
            assert [resumed.next()["event"] for _ in range(2)] == ["open", "store"]
            assert resumed.next()["event"] == "end"
        shut.clear()

        assert (away["event"], away["data"]) == ("store", {"state": "away"})
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        back = staying.next()
        assert (back["event"], back["data"]) == ("store", {"state": "back"})
        assert staying.opens(3) == [kline.open_time_ms for kline in klines[5:8]]
        with listening(api, f"after={position}") as resumed:
            resumed.next()
            assert resumed.opens(3) == [kline.open_time_ms for kline in klines[5:8]]


def test_one_too_many_is_refused_until_another_leaves(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    add_series(new_store(url), "BTCUSDT", Interval.M1, make_klines(Interval.M1, 5))
    environment = {"KLINECAST_STORE_URL": url, "HISTORY_STREAM_LISTENERS": "1"}
    with serving(tmp_path / "log", **environment) as (api, _):
        with listening(api) as listener:
            assert listener.next()["event"] == "open"
            refused = httpx.get(f"{api}/v1/stream")
            assert refused.status_code == 503
            assert "1 listen already" in ErrorBody.model_validate_json(refused.content).detail
            assert refused.headers["Retry-After"]
            assert "history_stream_listeners 1.0" in httpx.get(f"{api}/metrics").text

        deadline_s = time.monotonic() + PATIENCE_S
        while "history_stream_listeners 0.0" not in httpx.get(f"{api}/metrics").text:
            assert time.monotonic() < deadline_s
        with listening(api) as listener:
            assert listener.next()["event"] == "open"


def test_process_asked_to_end_lets_its_listeners_go(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    add_series(new_store(url), "BTCUSDT", Interval.M1, make_klines(Interval.M1, 5))
    with serving(tmp_path / "log", KLINECAST_STORE_URL=url) as (api, process):
        listener = Listener(f"{api}/v1/stream")
        listener.next()
        with connect(f"{api.replace('http', 'ws', 1)}/v1/stream") as sockets:
            sockets.recv(timeout=PATIENCE_S)
            assert end(process) == 0
            with pytest.raises(ConnectionClosed) as closed:
                _read_on(sockets)

    assert [listener.next()["event"] for _ in range(2)] == ["end", "closed"]
    assert closed.value.rcvd is not None
    listener.close()


def _read_on(sockets: Any) -> None:
    while True:
        sockets.recv(timeout=PATIENCE_S)


def test_listener_who_leaves_is_forgotten(tmp_path: Path) -> None:
    store = new_store(f"sqlite:///{tmp_path / 'store.db'}")
    klines = make_klines(Interval.M1, 200)
    series = add_series(store, "BTCUSDT", Interval.M1, klines[:5])
    with history_api(store, NOW_MS) as api:
        for number in range(100):
            with listening(api) as listener:
                listener.next()
                if number % 10 == 0:
                    append_klines(store, series, klines[5 + number : 6 + number])
                    listener.opens(1)
                    append_klines(store, series, klines[6 + number : 15 + number])
        deadline_s = time.monotonic() + PATIENCE_S
        while "history_stream_listeners 0.0" not in httpx.get(f"{api}/metrics").text:
            assert time.monotonic() < deadline_s
        threads = [one.name for one in threading.enumerate() if one.name.startswith("stream-")]
        assert len(threads) <= 3
