"""Kline streams: their names, their messages, and the commands a client may send."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import orjson

from binance_simulator.grid import Grid
from market.errors import InvalidParameter
from market.interval import HOUR_MS, Interval
from market.kline import Kline

#: Streams of one connection, at most.
MAX_STREAMS = 1024
_NAME = re.compile(r"(?P<symbol>[a-z0-9_\-.]+)@kline_(?P<interval>\w+)(@(?P<zone>\+08:00))?")


class Stream(NamedTuple):
    """A kline stream by its name, `btcusdt@kline_1m`."""

    name: str
    symbol: str
    grid: Grid


def parse_stream(name: str) -> Stream | None:
    """Return the stream of that name, or `None` where Binance would stay silent for ever."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        interval = Interval.parse(match["interval"])
    except InvalidParameter:
        return None
    offset_ms = 8 * HOUR_MS if match["zone"] else 0
    return Stream(name, match["symbol"].upper(), Grid(interval, offset_ms))


def render_event(
    stream: Stream,
    kline: Kline,
    event_ms: int,
    *,
    closed: bool,
    microseconds: bool,
    combined: bool,
) -> str:
    """Return the message of a kline, wrapped where the connection is combined.

    Trade ids are not recorded: -1, as where nothing was traded.
    """
    scale, last = (1000, 999) if microseconds else (1, 0)
    # Put together by hand: a thousand streams take half the time that a JSON encoder does.
    event = (
        f'{{"e":"kline","E":{event_ms * scale},"s":"{stream.symbol}","k":{{'
        f'"t":{kline.open_time_ms * scale},"T":{kline.close_time_ms * scale + last},'
        f'"s":"{stream.symbol}","i":"{stream.grid.interval.value}","f":-1,"L":-1,'
        f'"o":"{kline.open}","c":"{kline.close}","h":"{kline.high}","l":"{kline.low}",'
        f'"v":"{kline.volume}","n":{kline.number_of_trades},"x":{"true" if closed else "false"},'
        f'"q":"{kline.quote_asset_volume}","V":"{kline.taker_buy_base_asset_volume}",'
        f'"Q":"{kline.taker_buy_quote_asset_volume}","B":"{kline.ignore}"}}}}'
    )
    return f'{{"stream":"{stream.name}","data":{event}}}' if combined else event


class Subscriptions:
    """What one connection listens to, and how it wants its messages."""

    def __init__(self, names: Iterable[str], *, combined: bool, microseconds: bool) -> None:
        self.names: dict[str, Stream | None] = {}
        self.streams: list[Stream] = []
        self.combined = combined
        self.microseconds = microseconds
        self.add(names)

    def add(self, names: Iterable[str]) -> None:
        """Listen to more streams.

        Unknown names are kept: Binance accepts them and sends nothing.
        """
        for name in names:
            if name:
                self.names.setdefault(name, parse_stream(name))
        self.streams = [stream for stream in self.names.values() if stream is not None]

    def remove(self, names: Iterable[str]) -> None:
        """Listen to some streams no longer."""
        for name in names:
            self.names.pop(name, None)
        self.streams = [stream for stream in self.names.values() if stream is not None]

    def obey(self, text: str | bytes) -> str:
        """Carry out a command and return the answer."""
        try:
            command = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return _refusal(3, f"Invalid JSON: {error}", None)
        if not isinstance(command, dict) or not isinstance(command.get("method"), str):
            return _refusal(2, "Invalid request: missing field `method`", None)
        number, parameters = command.get("id"), command.get("params", [])
        if not isinstance(parameters, list):
            return _refusal(2, "Invalid request: params must be an array", number)
        match command["method"]:
            case "SUBSCRIBE" | "UNSUBSCRIBE" as method:
                return self._change(method, parameters, number)
            case "LIST_SUBSCRIPTIONS":
                return _result(list(self.names), number)
            case "SET_PROPERTY" | "GET_PROPERTY" as method:
                return self._property(method, parameters, number)
            case method:
                return _refusal(2, f"Invalid request: unknown variant `{method}`", number)

    def _change(self, method: str, names: list[object], number: object) -> str:
        texts = [name for name in names if isinstance(name, str)]
        if len(texts) != len(names):
            return _refusal(2, "Invalid request: params must be strings", number)
        if method == "UNSUBSCRIBE":
            self.remove(texts)
        elif len(self.names.keys() | set(texts)) > MAX_STREAMS:
            return _refusal(2, f"Invalid request: more than {MAX_STREAMS} streams", number)
        else:
            self.add(texts)
        return _result(None, number)

    def _property(self, method: str, parameters: list[object], number: object) -> str:
        match method, parameters:
            case "GET_PROPERTY", ["combined"]:
                return _result(self.combined, number)
            case "SET_PROPERTY", ["combined", bool(value)]:
                self.combined = value
                return _result(None, number)
            case "SET_PROPERTY", ["combined", _]:
                return _refusal(1, "Invalid value type: expected Boolean", number)
            case _:
                return _refusal(0, "Unknown property", number)


def _result(result: object, number: object) -> str:
    return orjson.dumps({"result": result, "id": number}).decode()


def _refusal(code: int, message: str, number: object) -> str:
    answer: dict[str, object] = {"error": {"code": code, "msg": message}}
    return orjson.dumps(answer if number is None else answer | {"id": number}).decode()
