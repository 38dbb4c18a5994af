"""Faults of kline streams."""

from __future__ import annotations

from dataclasses import dataclass

from binance_simulator.faults.parameters import number, parameter, whole


@dataclass(frozen=True, kw_only=True)
class DropStreams:
    """Every open connection is closed."""

    code: int = parameter(whole(1000, 4999), 1001)


@dataclass(frozen=True, kw_only=True)
class ServerShutdown:
    """Every open connection is told `serverShutdown` and closed so many seconds later."""

    after_s: float = parameter(number(0, 86_400), 600.0)


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Connections stay open and nothing is sent; what closes meanwhile is never told."""


@dataclass(frozen=True, kw_only=True)
class LateFinals:
    """A closed kline is told so many seconds of the exchange after its end."""

    delay_s: float = parameter(number(0, 86_400), 5.0)


@dataclass(frozen=True, kw_only=True)
class ConnectionLife:
    """New connections are closed after so many seconds of the machine."""

    life_s: float = parameter(number(0.01, 864_000), 86_400.0)
