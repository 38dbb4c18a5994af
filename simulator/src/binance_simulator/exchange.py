"""One simulated exchange: its files, its clock, its budget and its faults."""

from __future__ import annotations

from binance_simulator import rejections
from binance_simulator.bucket import Bucket
from binance_simulator.catalogue import Catalogue
from binance_simulator.clock import SimulatedClock
from binance_simulator.exchange_info import build_symbol
from binance_simulator.faults import Faults
from binance_simulator.grid import Grid
from binance_simulator.history import History, Page, Query
from binance_simulator.weights import WeightBudget

#: Newest klines, of the lowest interval, that a symbol's price and volume steps are read from.
_SEEN = 200


class Exchange:
    """What every part of the HTTP shell works on."""

    def __init__(
        self, catalogue: Catalogue, history: History, clock: SimulatedClock, weight_limit: int
    ) -> None:
        self.catalogue = catalogue
        self.history = history
        self.clock = clock
        self.bucket = Bucket(catalogue)
        self.weights = WeightBudget(weight_limit)
        self.faults = Faults()
        self._entries: dict[str, dict[str, object]] = {}

    def page(self, query: Query) -> Page:
        """Return the klines a query asks for.

        Raises:
            Rejection: the symbol is not known.
        """
        self.check_symbol(query.symbol)
        return self.history.page(query, self.clock.now_ms())

    def check_symbol(self, symbol: str) -> None:
        """Refuse a symbol there are no files of."""
        if symbol not in self.catalogue.symbols:
            raise rejections.invalid_symbol()

    def symbol_entry(self, symbol: str) -> dict[str, object]:
        """Return a symbol's entry of `exchangeInfo`; it does not change while this runs."""
        entry = self._entries.get(symbol)
        if entry is None:
            interval = self.catalogue.native_intervals(symbol)[-1]
            query = Query(symbol, Grid(interval), None, None, _SEEN)
            klines = self.history.page(query, self.clock.end_ms).klines()
            entry = self._entries[symbol] = build_symbol(symbol, klines)
        return entry
