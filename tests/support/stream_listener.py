"""Listeners of `/v1/stream` over a real socket, and klines for them to hear of."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from typing import Any

import httpx

from market.kline import Kline
from market.store import Store
from market.store.closed_klines import Arrival, write_closed
from market.store.symbols import Series, write_watermark

PATIENCE_S = 20


class Listener:
    """Reads server-sent events in a thread; what came is in `next()`."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self._events: Queue[dict[str, Any]] = Queue()
        self._client = httpx.Client(timeout=httpx.Timeout(10, read=None))
        self._request = self._client.stream("GET", url, headers=headers or {})
        self.response = self._request.__enter__()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        event: dict[str, Any] = {}
        try:
            for line in self.response.iter_lines():
                name, _, value = line.partition(": ")
                if name:
                    event[name] = json.loads(value) if name == "data" else value
                elif event:
                    self._events.put(event)
                    event = {}
        except httpx.HTTPError:
            pass
        self._events.put({"event": "closed"})

    def next(self) -> dict[str, Any]:
        """Return the next event that is no heartbeat."""
        while (event := self._events.get(timeout=PATIENCE_S))["event"] == "heartbeat":
            pass
        return event

    def opens(self, count: int) -> list[int]:
        """Return the open times of so many klines."""
        found: list[int] = []
        while len(found) < count:
            event = self.next()
            assert event["event"] == "klines", event
            found += [row[0] for row in event["data"]["klines"]]
        return found

    def has_more(self) -> bool:
        """Tell whether something comes within two ticks."""
        try:
            return self._events.get(timeout=0.6)["event"] != "heartbeat"
        except Empty:
            return False

    def close(self) -> None:
        """Leave, at once."""
        stream = self.response.extensions["network_stream"]
        with suppress(OSError):  # the API was quicker
            stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=PATIENCE_S)
        self._request.__exit__(None, None, None)
        self._client.close()


@contextmanager
def listening(api: str, query: str = "", **headers: str) -> Iterator[Listener]:
    """Listen, with the first event (`open`) read."""
    listener = Listener(f"{api}/v1/stream?{query}", headers)
    try:
        yield listener
    finally:
        listener.close()


def append_klines(store: Store, series: Series, klines: list[Kline]) -> None:
    """Append klines as a stream does."""
    before_ms = series.interval.add(klines[0].open_time_ms, -1)
    with store.begin() as connection:
        write_watermark(connection, series, before_ms)
    arrival = Arrival(series, klines, "wss://test", klines[-1].close_time_ms + 1)
    assert write_closed(store, [arrival], announce_newest=0) == [series]
