"""The symbols the populator works on, as Binance describes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from market.interval import Interval
from market.store import Store
from market.store.symbols import Series, find_series, write_symbols
from populate_base.exchange import Exchange


def register_series(
    store: Store,
    exchange: Exchange,
    symbols: Sequence[str],
    intervals: Iterable[Interval],
    now_ms: int,
) -> list[Series]:
    """Write the symbols into the store and return every symbol at every interval.

    Series of 1h come first, so that forecasts of them can begin while others still load.

    Raises:
        NotFound: Binance does not know one of the symbols; nothing was written.
    """
    write_symbols(store, exchange.fetch_symbols(symbols), now_ms)
    ordered = sorted(set(intervals), key=lambda i: (i is not Interval.H1, -i.typical_ms))
    with store.read() as connection:
        return [
            find_series(connection, symbol, interval) for interval in ordered for symbol in symbols
        ]
