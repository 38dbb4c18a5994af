"""One simulated exchange: its files, its clock, its limits and its faults."""

from __future__ import annotations

import time
from collections.abc import Mapping

from binance_simulator import rejections
from binance_simulator.bucket import Bucket
from binance_simulator.catalogue import Catalogue
from binance_simulator.clock import SimulatedClock
from binance_simulator.exchange_info import build_symbol
from binance_simulator.faults.answers import ClockSkew
from binance_simulator.faults.board import Faults
from binance_simulator.faults.rows import Renamed, View
from binance_simulator.grid import Grid
from binance_simulator.history import History, Page, Query
from binance_simulator.scenario import Scenario
from binance_simulator.traffic import Traffic
from binance_simulator.weights import WeightBudget
from market.errors import InvalidParameter

#: Newest klines, of the lowest interval, that a symbol's price and volume steps are read from.
_SEEN = 200
_FIVE_MINUTES_S = 300


class Exchange:
    """What every part of the HTTP shell works on."""

    def __init__(
        self, catalogue: Catalogue, history: History, clock: SimulatedClock, scenario: Scenario
    ) -> None:
        self.catalogue = catalogue
        self.history = history
        self.clock = clock
        self.limits = scenario.limits
        self.faults = Faults(clock, scenario.seed)
        self.bucket = Bucket(catalogue, self.faults)
        self.weights = WeightBudget(scenario.limits)
        self.connections = Connections(scenario.limits.connections)
        self.traffic = Traffic()
        self._entries: dict[str, dict[str, object]] = {}
        for place, entry in enumerate(scenario.faults, start=1):
            self.set_fault(entry, f"faults[{place}]")

    def set_fault(self, asked: Mapping[str, object], name: str = "") -> None:
        """Set a fault; a new name of a symbol is served from then on.

        Raises:
            InvalidParameter: the entry is not a fault the simulator has, or is of a symbol it
                has no files of.
        """
        if asked == {"kind": "reset"}:
            self.faults.add(asked)
            return
        fault = self.faults.read(asked, name)
        for symbol in fault.target.symbol:
            if not self.catalogue.knows(symbol):
                raise InvalidParameter(f"{name} symbol".strip(), symbol, "one that has files")
            if isinstance(fault.effect, Renamed):
                self._rename(fault.effect.to, symbol, name)
        self.faults.set(fault)

    def _rename(self, new: str, symbol: str, name: str) -> None:
        try:
            self.catalogue.add_alias(new, symbol)
        except InvalidParameter:
            raise InvalidParameter(f"{name} to".strip(), new, "a name not in use") from None

    def told_ms(self) -> int:
        """Return the time as the exchange tells it."""
        skew = sum(fault.offset_ms for fault in self.faults.holding(ClockSkew))
        return self.clock.now_ms() + skew

    def view(self, symbol: str, source: str) -> View:
        """Return how a source tells the klines of a symbol now."""
        return self.faults.view(source, symbol)

    def page(self, query: Query) -> Page:
        """Return the klines a REST query asks for.

        Raises:
            Rejection: the symbol is not known.
        """
        self.check_symbol(query.symbol)
        told = query._replace(view=self.view(query.symbol, "rest"))
        return self.history.page(told, self.clock.now_ms())

    def check_symbol(self, symbol: str) -> None:
        """Refuse a symbol there are no files of, or that is not listed yet."""
        if not self.catalogue.knows(symbol) or self.status(symbol) is None:
            raise rejections.invalid_symbol()

    def status(self, symbol: str) -> str | None:
        """Return a symbol's status now, `None` before it is listed."""
        now_ms = self.clock.now_ms()
        listed_ms, delisted_ms = self.faults.life(symbol)
        if listed_ms is not None and now_ms < listed_ms:
            return None
        return "TRADING" if delisted_ms is None or now_ms < delisted_ms else "BREAK"

    def symbol_entry(self, symbol: str) -> dict[str, object]:
        """Return a symbol's entry of `exchangeInfo`; only its status ever changes."""
        origin = self.catalogue.origin(symbol)
        entry = self._entries.get(symbol)
        if entry is None:
            interval = self.catalogue.native_intervals(origin)[-1]
            query = Query(origin, Grid(interval), None, None, _SEEN)
            klines = self.history.page(query, self.clock.end_ms).klines()
            entry = self._entries[symbol] = build_symbol(symbol, klines)
        return entry | {"status": self.status(symbol)}


class Connections:
    """Counts the stream connections of each address, in windows of five minutes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._addresses: dict[str, tuple[int, int]] = {}

    def admit(self, address: str) -> bool:
        """Count a connection and tell whether it may be opened."""
        window = int(time.time()) // _FIVE_MINUTES_S
        seen_window, seen = self._addresses.get(address, (window, 0))
        count = 1 + (seen if seen_window == window else 0)
        self._addresses[address] = (window, count)
        return count <= self._limit
