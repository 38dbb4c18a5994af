"""Symbols the exchange lists no more: REST does not know them, the archive still does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from market.errors import NotFound
from market.gaps import Range
from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store.symbol_states import GONE, Lifecycle, read_universe
from market.store.symbols import Symbol
from populate_base.source import KlineSource


class GoneSource:
    """A source that answers for gone symbols too: that REST has nothing of them.

    Meets `KlineSource`; of symbols that are listed it is the source it was made of.
    """

    def __init__(self, source: KlineSource, lives: Mapping[str, Lifecycle]) -> None:
        self.venue = source.venue
        self._source = source
        self._lives = lives

    def fetch_time_ms(self) -> int:
        """See `KlineSource`."""
        return self._source.fetch_time_ms()

    def fetch_symbols(self) -> list[Symbol]:
        """See `KlineSource`."""
        return self._source.fetch_symbols()

    def fetch_first_open(self, symbol: str, interval: Interval) -> int | None:
        """Return a gone symbol's first kline as the archive's days tell it.

        Raises:
            NotFound: nobody looked into the archive for it yet.
        """
        life = self._lives.get(symbol)
        if life is None:
            return self._source.fetch_first_open(symbol, interval)
        if life.listed_ms is None:
            raise NotFound(
                f"{symbol} is listed no more, and when it was is not known",
                hint="Run `populate-base symbols --archive` first.",
            )
        return life.listed_ms

    def iter_klines(
        self, symbol: str, interval: Interval, span: Range
    ) -> Iterator[tuple[str, list[Kline]]]:
        """Yield nothing of a gone symbol; see `KlineSource`."""
        if symbol not in self._lives:
            yield from self._source.iter_klines(symbol, interval, span)


def read_gone(store: Store, venue: str) -> dict[str, Lifecycle]:
    """Return the lives of a venue's symbols that are listed no more."""
    with store.read() as connection:
        universe = read_universe(connection, venue=venue)
    return {one.symbol.symbol: one.life for one in universe if one.symbol.status == GONE}
