"""What one connection is told, and when: closes as they happen, open klines every two seconds."""

from __future__ import annotations

from collections.abc import Iterator

from binance_simulator.exchange import Exchange
from binance_simulator.faults.streams import LateFinals, Silence
from binance_simulator.faults.when import Asked
from binance_simulator.streams import Stream, Subscriptions, render_event
from market.kline import Kline

#: Seconds of the machine between two messages of a kline that is open.
UPDATE_EVERY_S = 2.0
#: Moments within those seconds at which a connection's streams are told.
_PHASES = 40


class _Told:
    """How far a stream was told: closes up to `until_ms`, the open kline at `update_s`."""

    __slots__ = ("look_ms", "update_s", "until_ms")

    def __init__(self, now_ms: int) -> None:
        self.until_ms = now_ms
        self.look_ms = 0
        self.update_s = 0.0


class Teller:
    """Keeps how far each stream of a connection was told."""

    def __init__(self, exchange: Exchange, subscriptions: Subscriptions) -> None:
        self._exchange = exchange
        self._subscriptions = subscriptions
        self._told: dict[Stream, _Told] = {}

    def iter_due(self, machine_s: float) -> Iterator[str]:
        """Yield the messages that are due; `machine_s` is the machine's monotonic time."""
        now_ms = self._exchange.clock.now_ms()
        streams = self._subscriptions.streams
        for place, stream in enumerate(list(streams)):
            told = self._told.get(stream)
            if told is None:
                told = self._told[stream] = _Told(now_ms)
            if now_ms < told.until_ms:
                # The clock was set back: tell from there on.
                told.until_ms, told.look_ms = now_ms, 0
            if now_ms >= told.look_ms:
                # All close at one moment; their updates are then spread over two seconds.
                told.update_s = machine_s + place % _PHASES / _PHASES * UPDATE_EVERY_S
            elif machine_s - told.update_s >= UPDATE_EVERY_S:
                told.update_s = machine_s
            else:
                continue
            yield from self._tell(stream, told, now_ms)
        if len(self._told) > len(streams):
            self._told = {stream: self._told[stream] for stream in streams}

    def _tell(self, stream: Stream, told: _Told, now_ms: int) -> Iterator[str]:
        exchange, history = self._exchange, self._exchange.history
        asked = Asked("/ws", stream.symbol, stream.grid.interval, "ws")
        view = exchange.view(stream.symbol, "ws")
        late = exchange.faults.holding(LateFinals, asked, stream.name)
        until_ms = now_ms - int(max((fault.delay_s for fault in late), default=0) * 1000)
        silent = bool(exchange.faults.holding(Silence, asked, stream.name))
        if until_ms > told.until_ms:
            closed = history.closed_between(
                stream.symbol, stream.grid, told.until_ms, until_ms, view
            )
            told.until_ms = until_ms
            if not silent:
                for kline in closed:
                    yield self._render(stream, kline, now_ms, closed=True)
        unfinished = history.unfinished(stream.symbol, stream.grid, now_ms, view)
        if unfinished is None:
            told.look_ms = stream.grid.next(stream.grid.floor(now_ms))
        else:
            told.look_ms = unfinished.close_time_ms + 1
            if not silent:
                yield self._render(stream, unfinished, now_ms, closed=False)
        if late:
            # What is held back falls due within the kline that is open.
            told.look_ms = min(told.look_ms, now_ms + 1)

    def _render(self, stream: Stream, kline: Kline, now_ms: int, *, closed: bool) -> str:
        wishes = self._subscriptions
        return render_event(
            stream,
            kline,
            now_ms,
            closed=closed,
            microseconds=wishes.microseconds,
            combined=wishes.combined,
        )
