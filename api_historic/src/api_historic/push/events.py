"""Events and how they are written: once, for all who listen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import orjson

from market.gaps import Range
from market.kline import KLINE_FIELDS
from market.store.symbols import Series

#: What a subscription may ask for.
Kind = Literal["klines", "forecasts"]
KINDS: tuple[Kind, ...] = ("klines", "forecasts")
#: The fields of a kline in an event, Binance's first eleven.
FIELDS = KLINE_FIELDS[:-1]
HEARTBEAT_S = 15.0


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        name: what it is, as `event` in both transports.
        data: its JSON.
        id: where to resume behind it; empty where nothing was told by it.
        symbol_id, interval_id, kind: whom it concerns; without a kind everybody.
    """

    name: str
    data: bytes
    id: str = ""
    symbol_id: int = 0
    interval_id: int = 0
    kind: Kind | None = None

    @cached_property
    def frame(self) -> bytes:
        """The event as server-sent events have it. JSON has no bare line feed."""
        number = f"id: {self.id}\n" if self.id else ""
        return f"event: {self.name}\n{number}data: ".encode() + self.data + b"\n\n"

    @cached_property
    def text(self) -> str:
        """The event as one WebSocket message: `{"event","id","data"}`."""
        head = orjson.dumps({"event": self.name, "id": self.id or None})
        return (head[:-1] + b',"data":' + self.data + b"}").decode()


def told_klines(series: Series, rows: Sequence[Sequence[Any]], position: object) -> Event:
    """Return the event of klines that were stored together, ascending."""
    data = {"symbol": series.symbol, "interval": series.interval.value, "klines": rows}
    return _of(series, "klines", "klines", orjson.dumps(data), position)


def told_history(series: Series, span: Range, rows: int, position: object) -> Event:
    """Return the event of older klines that came or changed: to be read again in that range."""
    data = {
        "symbol": series.symbol,
        "interval": series.interval.value,
        **span._asdict(),
        "rows": rows,
    }
    return _of(series, "history", "klines", orjson.dumps(data), position)


def told_forecast(series: Series, payload: str, position: object) -> Event:
    """Return the event of a forecast, as the ledger keeps it."""
    return _of(series, "forecast", "forecasts", payload.encode(), position)


def _of(series: Series, name: str, kind: Kind, data: bytes, position: object) -> Event:
    return Event(name, data, str(position), series.symbol_id, series.interval.number, kind)


def notice(name: str, position: object = "", **data: object) -> Event:
    """Return an event about the stream itself."""
    return Event(name, orjson.dumps(data), str(position))
