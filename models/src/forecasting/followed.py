"""The series that are followed where a rule selects the symbols, not a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from market.errors import RetryableError
from market.interval import Interval
from market.log import get_logger
from market.selection import Candidate, SymbolSelection
from market.store import Store
from market.store.symbols import read_symbols

log = get_logger()


class RuledSeries:
    """The symbols of the store that a rule picks, at every interval; asked anew each time.

    The populator registers what the rule matches, so a symbol listed today is here as
    soon as its klines are on their way. While the store is away the last answer stands.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        selection: SymbolSelection,
        intervals: Sequence[Interval],
    ) -> None:
        self._open_store = open_store
        self._selection = selection
        self._intervals = intervals
        self._names: list[str] = list(selection.names)

    def __iter__(self) -> Iterator[tuple[str, Interval]]:
        try:
            self._names = self._read()
        except RetryableError as error:
            log.warning("dependency_away", dependency="store", reason=error.detail)
        return iter([(name, interval) for name in self._names for interval in self._intervals])

    def _read(self) -> list[str]:
        with closing(self._open_store()) as store, store.read() as connection:
            known = [symbol for _, symbol in read_symbols(connection)]
        return self._selection.choose(
            Candidate(one.symbol, one.quote_asset, one.status) for one in known
        )
