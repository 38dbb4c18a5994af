"""The one seam to Binance's streams: a connection that yields closed klines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple

import orjson
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from market.errors import DataError, ExchangeUnavailable
from market.interval import Interval
from market.kline import Kline
from market.store.symbols import Series
from populate_base import metrics
from populate_base.parse import parse_stream_message

#: Binance's own bound. Source: binance-spot-api-docs, web-socket-streams, "Websocket Limits".
MAX_STREAMS = 1024
#: The names of so many streams keep the address far below the 8 kB a request line may have;
#: the others are subscribed to by messages of as many names.
_NAMES_AT_ONCE = 200
#: Binance cuts a connection that sends more than five messages a second.
_BETWEEN_MESSAGES_S = 0.25
_OPEN_TIMEOUT_S = 8.0
_ANSWER_WITHIN_S = 10.0
#: Messages held while the store is written to (about 30 MB); beyond it the exchange waits.
_MAX_WAITING = 100_000
_SHUTDOWN = b"serverShutdown"
_OPEN_KLINE = b'"x":false'


class ClosedKline(NamedTuple):
    """One closed kline of the stream and whose it is."""

    symbol: str
    interval: Interval
    kline: Kline


class KlineStream:
    """An open connection to the kline streams of some series.

    Attributes:
        has_heard: whether any message of a stream came since all were subscribed to.
        is_ending: whether the exchange said that it will close the connection.
    """

    def __init__(
        self, connecting: AbstractContextManager[ClientConnection], url: str, silence_s: float
    ) -> None:
        self.has_heard = False
        self.is_ending = False
        self._open = ExitStack()
        self._connection = self._open.enter_context(connecting)
        self._url = url
        self._silence_s = silence_s
        self._heard_s = time.monotonic()
        self._early: list[ClosedKline] = []

    def subscribe(self, names: Sequence[str]) -> None:
        """Subscribe to further streams, and wait until the exchange agreed.

        Raises:
            ExchangeUnavailable: it did not.
        """
        waiting = set()
        for number, start in enumerate(range(0, len(names), _NAMES_AT_ONCE), start=1):
            part = list(names[start : start + _NAMES_AT_ONCE])
            self._send({"method": "SUBSCRIBE", "params": part, "id": number})
            waiting.add(number)
            self._early += self._collect(_BETWEEN_MESSAGES_S, waiting)
        deadline_s = time.monotonic() + _ANSWER_WITHIN_S
        while waiting:
            if time.monotonic() > deadline_s:
                raise ExchangeUnavailable(f"the stream {self._url} did not answer a subscription")
            self._early += self._collect(_BETWEEN_MESSAGES_S, waiting)
        self.has_heard = False

    def _send(self, command: dict[str, Any]) -> None:
        try:
            self._connection.send(orjson.dumps(command).decode())
        except ConnectionClosed as error:
            raise self._closed(error) from error

    def receive(self, timeout_s: float) -> list[ClosedKline]:
        """Return the klines that closed, waiting up to `timeout_s` for the first message.

        Takes all that has already arrived. Silence is measured on the machine's clock.

        Raises:
            ExchangeUnavailable: the connection closed, or nothing at all came for too long.
            DataError: a message is not what it should be.
        """
        early, self._early = self._early, []
        closed = early + self._take(0 if early else timeout_s)
        silent_s = time.monotonic() - self._heard_s
        if silent_s > self._silence_s:
            raise ExchangeUnavailable(f"the stream {self._url} was silent for {silent_s:.0f} s")
        return closed

    def _collect(self, seconds: float, waiting: set[int]) -> Iterator[ClosedKline]:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            yield from self._take(left_s, waiting)

    def _take(self, timeout_s: float, waiting: set[int] | None = None) -> list[ClosedKline]:
        closed: list[ClosedKline] = []
        message = self._next(timeout_s)
        while message is not None:
            self._heard_s = time.monotonic()
            closed += self._read(message, waiting)
            message = self._next(0)
        return closed

    def _read(self, message: bytes, waiting: set[int] | None) -> list[ClosedKline]:
        metrics.BYTES.labels("stream").inc(len(message))
        if _OPEN_KLINE in message:
            self.has_heard = True
            return []
        event = parse_stream_message(message)
        if event is not None:
            self.has_heard = True
            return [ClosedKline(*event)]
        self.is_ending |= _SHUTDOWN in message
        if waiting:
            waiting.discard(self._answered(orjson.loads(message)))
        return []

    def _answered(self, message: Any) -> int:
        if not isinstance(message, dict) or not isinstance(message.get("id"), int):
            return 0
        if message.get("error") is not None:
            raise ExchangeUnavailable(
                f"the stream {self._url} refused a subscription: {message['error']!r:.120}"
            )
        return int(message["id"])

    def _next(self, timeout_s: float) -> bytes | None:
        try:
            # Not decoded: it is read as bytes anyway.
            message = self._connection.recv(timeout=timeout_s, decode=False)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise self._closed(error) from error
        return message if isinstance(message, bytes) else message.encode()

    def _closed(self, error: ConnectionClosed) -> ExchangeUnavailable:
        return ExchangeUnavailable(f"the stream {self._url} closed: {error}")

    def close(self) -> None:
        """Close the connection; may take a second."""
        self._open.close()


def stream_name(symbol: str, interval: Interval) -> str:
    """Return Binance's name of a kline stream: `btcusdt@kline_1h`."""
    return f"{symbol.lower()}@kline_{interval}"


def open_stream(stream_url: str, series: Sequence[Series], *, silence_s: float) -> KlineStream:
    """Connect to the kline streams of up to `MAX_STREAMS` series.

    Raises:
        ExchangeUnavailable: no connection came about, or a stream was refused.
        DataError: a message that came meanwhile is not what it should be.
    """
    names = [stream_name(one.symbol, one.interval) for one in series]
    base = f"{stream_url.rstrip('/')}/stream"
    try:
        connecting = connect(
            f"{base}?streams={'/'.join(names[:_NAMES_AT_ONCE])}",
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=1.0,
            max_queue=_MAX_WAITING,
        )
        stream = KlineStream(connecting, base, silence_s)
    except (OSError, WebSocketException) as error:
        reason = str(error) or type(error).__name__
        raise ExchangeUnavailable(f"the stream {base} cannot be reached: {reason}") from error
    try:
        stream.subscribe(names[_NAMES_AT_ONCE:])
    except (ExchangeUnavailable, DataError):
        stream.close()
        raise
    return stream
