"""A process with a thousand symbols whose 1m klines all close at once: `python -m ... OPTIONS`.

Just enough of Binance for `populate-base follow`: time, exchangeInfo, klines and combined
streams with the open kline of each every two seconds. Its clock may hurry. Each line on
stdout tells a close: the open time and the machine's time when the last message was sent.
"""

from __future__ import annotations

import argparse
import http
import sys
import threading
import time
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from market.interval import MINUTE_MS, Interval
from market.kline import Kline
from support.stream_server import kline_event

START_MS = 1_704_067_200_000
_UPDATE_EVERY_S = 2.0


def symbol_name(index: int) -> str:
    """Return a made-up symbol."""
    return f"S{index:04}USDT"


def make_kline(index: int, open_ms: int) -> Kline:
    """Return the one kline of a symbol in a minute."""
    price = f"{100 + index + (open_ms // MINUTE_MS) % 97}.25000000"
    rest = ("12.50000000", open_ms + MINUTE_MS - 1, "1250.00000000", 42)
    return Kline(open_ms, price, price, price, price, *rest, "6.25000000", "625.00000000")


class BusyExchange:
    """The clock, the answers and the streams."""

    def __init__(self, symbols: int, speed: float, history: int) -> None:
        self.symbols = symbols
        self._speed = speed
        self._first_ms = START_MS
        self._now_ms = START_MS + history * MINUTE_MS + MINUTE_MS // 2
        self._started_s = time.monotonic()
        self._lock = threading.Lock()
        self._listening: dict[ServerConnection, set[str]] = {}

    def now_ms(self) -> int:
        """Return the exchange's time."""
        return self._now_ms + int((time.monotonic() - self._started_s) * 1000 * self._speed)

    def answer(self, _connection: ServerConnection, request: Request) -> Response | None:
        """Answer what is no stream."""
        url = urlsplit(request.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/stream":
            return None
        bodies = {
            "/api/v3/time": lambda: {"serverTime": self.now_ms()},
            "/api/v3/exchangeInfo": self._info,
            "/api/v3/klines": lambda: self._klines(asked),
        }
        body = bodies.get(url.path)
        if body is None:
            return _response(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return _response(200, orjson.dumps(body()))

    def _info(self) -> dict[str, object]:
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "limit": 10_000_000}
        symbols = [
            {"symbol": symbol_name(i), "baseAsset": f"S{i:04}", "quoteAsset": "USDT"}
            | {"status": "TRADING"}
            for i in range(self.symbols)
        ]
        return {"rateLimits": [limit], "symbols": symbols}

    def _klines(self, asked: dict[str, str]) -> list[list[object]]:
        index = int(asked["symbol"][1:5])
        start_ms = max(Interval.M1.ceil(int(asked["startTime"])), self._first_ms)
        end_ms = min(int(asked["endTime"]) + 1, self.now_ms())
        opens = range(start_ms, end_ms, MINUTE_MS)[: int(asked["limit"])]
        return [list(make_kline(index, open_ms)) for open_ms in opens]

    def carry(self, connection: ServerConnection) -> None:
        """Serve one connection to its end."""
        path = connection.request.path if connection.request else ""
        names = set(parse_qs(urlsplit(path).query).get("streams", [""])[0].split("/"))
        with self._lock:
            self._listening[connection] = names
        with suppress(ConnectionClosed):
            for message in connection:
                command = orjson.loads(message)
                names |= set(command["params"])
                connection.send(orjson.dumps({"result": None, "id": command["id"]}).decode())
        with self._lock:
            del self._listening[connection]

    def tell(self) -> None:
        """Send open klines all the time, and at each turn of a minute what closed."""
        open_ms = Interval.M1.floor(self.now_ms())
        updated_s = 0.0
        while True:
            now_ms = self.now_ms()
            if now_ms >= open_ms + MINUTE_MS:
                self._send_all(open_ms, closed=True)
                sys.stdout.write(f"{open_ms} {time.time()}\n")
                sys.stdout.flush()
                open_ms += MINUTE_MS
            elif time.monotonic() - updated_s >= _UPDATE_EVERY_S:
                updated_s = time.monotonic()
                self._send_all(open_ms, closed=False)
            time.sleep(0.005)

    def _send_all(self, open_ms: int, *, closed: bool) -> None:
        with self._lock:
            listening = [(one, sorted(names)) for one, names in self._listening.items()]
        for connection, names in listening:
            with suppress(ConnectionClosed):
                for name in names:
                    symbol = name.partition("@")[0].upper()
                    kline = make_kline(int(symbol[1:5]), open_ms)
                    event = kline_event(symbol, Interval.M1, kline, closed)
                    connection.send(orjson.dumps({"stream": name, "data": event}).decode())


def _response(status: int, body: bytes) -> Response:
    headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
    headers["Connection"] = "close"
    return Response(status, http.HTTPStatus(status).phrase, headers, body)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--symbols", type=int, default=1000)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--history", type=int, default=3)
    asked = parser.parse_args()
    exchange = BusyExchange(asked.symbols, asked.speed, asked.history)
    threading.Thread(target=exchange.tell, daemon=True).start()
    with serve(exchange.carry, "127.0.0.1", asked.port, process_request=exchange.answer) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
