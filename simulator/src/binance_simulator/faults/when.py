"""Whom a fault strikes, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

from binance_simulator.faults.parameters import (
    SOURCES,
    Reader,
    interval,
    moment,
    number,
    one_of,
    one_or_more,
    path,
    symbol,
    whole,
)
from market.interval import Interval

TARGET_FIELDS: dict[str, Reader] = {
    "path": path,
    "symbol": one_or_more(symbol),
    "interval": one_or_more(interval),
    "source": one_or_more(one_of(*SOURCES)),
}
WHEN_FIELDS: dict[str, Reader] = {
    "from": moment,
    "until": moment,
    "seconds": number(0.001, 1e9),
    "count": whole(1, 1_000_000),
    "after": whole(0, 1_000_000),
    "probability": number(0, 1),
    "every_s": number(0.001, 1e9),
}


class Asked(NamedTuple):
    """What is about to be served: a request, a file, or a stream."""

    path: str = "/"
    symbol: str | None = None
    interval: Interval | None = None
    source: str | None = None


class Target(NamedTuple):
    """Whom a fault strikes; what is absent or empty does not narrow it."""

    path: str = "/"
    symbol: tuple[str, ...] = ()
    interval: tuple[Interval, ...] = ()
    source: tuple[str, ...] = ()

    def meets(self, asked: Asked) -> bool:
        """Tell whether something is a target."""
        return (
            asked.path.startswith(self.path)
            and (not self.symbol or asked.symbol in self.symbol)
            and (not self.interval or asked.interval in self.interval)
            and (not self.source or asked.source in self.source)
        )


class Chance(NamedTuple):
    """A dice that falls the same way for the same thing, in every run with the same salt."""

    probability: float = 1.0
    salt: str = ""

    def picks(self, thing: object) -> bool:
        """Tell whether the dice picks a thing, such as a kline's open time."""
        if self.probability >= 1:
            return True
        # A checksum alone keeps neighbours together: scatter it.
        scattered = crc32(f"{self.salt}/{thing}".encode()) * 2654435761 % (1 << 32)
        return scattered < self.probability * (1 << 32)


@dataclass(frozen=True, kw_only=True)
class When:
    """The time a fault is in force, and how often it strikes within it.

    Attributes:
        from_ms, until_ms: by the exchange's clock, half-open; `None` is no bound.
        seconds: of the machine, from the moment the fault was set.
        count: how often it strikes; `None` is without end.
        after: how many targets it lets pass first.
        probability: that it strikes one target.
        every_s: seconds of the exchange between two strikes, of what happens by itself.
    """

    from_ms: int | None = None
    until_ms: int | None = None
    seconds: float | None = None
    count: int | None = None
    after: int = 0
    probability: float = 1.0
    every_s: float = 0.0
