"""The one seam to Binance's streams: a connection that yields closed klines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from market.errors import ExchangeUnavailable
from market.interval import Interval
from market.kline import Kline
from market.store.symbols import Series
from populate_base.parse import parse_stream_message

#: The names of so many streams keep the address below the 8 kB a request line may have.
STREAMS_PER_CONNECTION = 200
_OPEN_TIMEOUT_S = 8.0
#: Messages held while a catch-up runs (about 30 MB); beyond it the exchange has to wait.
_MAX_WAITING = 100_000


class ClosedKline(NamedTuple):
    """One closed kline of the stream and whose it is."""

    symbol: str
    interval: Interval
    kline: Kline


class KlineStream:
    """An open connection to the kline streams of some series."""

    def __init__(self, connection: ClientConnection, url: str, silence_s: float) -> None:
        self._connection = connection
        self._url = url
        self._silence_s = silence_s
        self._heard_s = time.monotonic()

    def receive(self, timeout_s: float) -> list[ClosedKline]:
        """Return the klines that closed, waiting up to `timeout_s` for the first message.

        Takes all that has already arrived. Silence is measured on the machine's clock.

        Raises:
            ExchangeUnavailable: the connection closed, or nothing at all came for too long.
            DataError: a message is not what it should be.
        """
        closed: list[ClosedKline] = []
        message = self._next(timeout_s)
        while message is not None:
            self._heard_s = time.monotonic()
            event = parse_stream_message(message)
            if event is not None:
                closed.append(ClosedKline(*event))
            message = self._next(0)
        silent_s = time.monotonic() - self._heard_s
        if silent_s > self._silence_s:
            raise ExchangeUnavailable(f"the stream {self._url} was silent for {silent_s:.0f} s")
        return closed

    def _next(self, timeout_s: float) -> str | bytes | None:
        try:
            return self._connection.recv(timeout=timeout_s)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise ExchangeUnavailable(f"the stream {self._url} closed: {error}") from error


@contextmanager
def open_stream(
    stream_url: str, series: Sequence[Series], *, silence_s: float
) -> Iterator[KlineStream]:
    """Connect to the kline streams of up to `STREAMS_PER_CONNECTION` series.

    Raises:
        ExchangeUnavailable: no connection came about.
    """
    names = "/".join(f"{one.symbol.lower()}@kline_{one.interval}" for one in series)
    base = f"{stream_url.rstrip('/')}/stream"
    try:
        connection = connect(
            f"{base}?streams={names}",
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=1.0,
            max_queue=_MAX_WAITING,
        )
    except (OSError, WebSocketException) as error:
        reason = str(error) or type(error).__name__
        raise ExchangeUnavailable(f"the stream {base} cannot be reached: {reason}") from error
    with connection:
        yield KlineStream(connection, base, silence_s)
