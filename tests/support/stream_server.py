"""A WebSocket server that tells klines as a test says, with Binance's commands and limits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from market.interval import Interval
from market.kline import Kline


class StreamServer:
    """Keeps who subscribed to what, and sends to them.

    Attributes:
        messages: the commands that came, in order.
        opened: how many connections were ever opened.
    """

    def __init__(self) -> None:
        self.url = ""
        self.messages: list[dict[str, object]] = []
        self.opened = 0
        self.answers_subscriptions = True
        self._lock = threading.Lock()
        self._names: dict[ServerConnection, set[str]] = {}

    @property
    def connections(self) -> list[ServerConnection]:
        """The open connections, oldest first."""
        with self._lock:
            return list(self._names)

    def names(self, index: int = -1) -> set[str]:
        """Return what one connection subscribed to."""
        with self._lock:
            return set(list(self._names.values())[index])

    def tell(self, symbol: str, interval: Interval, kline: Kline, *, closed: bool = True) -> None:
        """Send a kline to every connection that subscribed to its stream."""
        name = f"{symbol.lower()}@kline_{interval}"
        message = orjson.dumps(
            {"stream": name, "data": kline_event(symbol, interval, kline, closed)}
        )
        with self._lock:
            listening = [one for one, names in self._names.items() if name in names]
        for connection in listening:
            with suppress(ConnectionClosed):
                connection.send(message.decode())

    def send(self, message: object, index: int = -1) -> None:
        """Send anything to one connection."""
        self.connections[index].send(orjson.dumps(message).decode())

    def handle(self, connection: ServerConnection) -> None:
        """Serve one connection to its end."""
        query = urlsplit(connection.request.path if connection.request else "").query
        names = {name for part in parse_qs(query).get("streams", []) for name in part.split("/")}
        with self._lock:
            self.opened += 1
            self._names[connection] = names
        try:
            for message in connection:
                command = orjson.loads(message)
                self.messages.append(command)
                if self.answers_subscriptions:
                    with self._lock:
                        names |= set(command["params"])
                    connection.send(orjson.dumps({"result": None, "id": command["id"]}).decode())
        finally:
            with self._lock:
                del self._names[connection]


def kline_event(symbol: str, interval: Interval, kline: Kline, closed: bool) -> dict[str, object]:
    """Return a kline event as Binance sends it."""
    return {
        "e": "kline",
        "E": kline.close_time_ms + 1,
        "s": symbol,
        "k": {
            "t": kline.open_time_ms,
            "T": kline.close_time_ms,
            "s": symbol,
            "i": interval.value,
            "f": -1,
            "L": -1,
            "o": kline.open,
            "c": kline.close,
            "h": kline.high,
            "l": kline.low,
            "v": kline.volume,
            "n": kline.number_of_trades,
            "x": closed,
            "q": kline.quote_asset_volume,
            "V": kline.taker_buy_base_asset_volume,
            "Q": kline.taker_buy_quote_asset_volume,
            "B": kline.ignore,
        },
    }


@contextmanager
def stream_server() -> Iterator[StreamServer]:
    """Serve on a free port of the loopback."""
    told = StreamServer()
    with serve(told.handle, "127.0.0.1", 0) as server:
        told.url = f"ws://127.0.0.1:{_port(server)}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield told
        for connection in told.connections:
            connection.close()
        server.shutdown()


def _port(server: Server) -> int:
    return int(server.socket.getsockname()[1])
