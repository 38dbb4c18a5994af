"""What a venue's source must be able to do: the seam for a second exchange.

Everything beyond it (planning, checking, the ledger, following a universe) asks a source
by these protocols alone, and keys what it stores by `venue`: one file that speaks another
exchange's language adds it, and its rows never mix with Binance's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from market.gaps import Range
from market.interval import Interval
from market.kline import Kline
from market.store.symbols import Symbol


class KlineSource(Protocol):
    """One exchange's REST API. Safe to share between threads.

    Keeping the exchange's limits is the source's own business: it waits before a request
    that would break them. Every call may raise `ExchangeUnavailable` (after retries),
    `ExchangeRefused` and `DataError`; those naming a symbol `NotFound`.
    """

    @property
    def venue(self) -> str:
        """The exchange's name in the store, such as `binance`; at most 16 characters."""

    def fetch_time_ms(self) -> int:
        """Return the exchange's time, UTC epoch milliseconds."""

    def fetch_symbols(self) -> list[Symbol]:
        """Return every spot symbol the exchange lists, whatever its status."""

    def fetch_first_open(self, symbol: str, interval: Interval) -> int | None:
        """Return the open time of the first kline ever, `None` where there is none yet."""

    def iter_klines(
        self, symbol: str, interval: Interval, span: Range
    ) -> Iterator[tuple[str, list[Kline]]]:
        """Yield (address, klines) pages of closed klines opening in the span, ascending."""
