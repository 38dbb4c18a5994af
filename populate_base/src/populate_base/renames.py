"""Assets that Binance renamed or swapped: the symbol that goes on where another ended.

Only changes that are documented, and that kept the unit. The klines of both symbols stay
apart: a pair of one name may have had days without trading before the other opened.
"""

from __future__ import annotations

from typing import NamedTuple


class Rename(NamedTuple):
    """One change of an asset's name.

    Attributes:
        base: the asset until then, successor: the asset from then on.
        source: where it is documented.
    """

    base: str
    successor: str
    source: str


RENAMES = (
    Rename("NANO", "XNO", "github.com/binance/binance-public-data issue 238, 2022-01"),
    Rename("MATIC", "POL", "Binance's announcement of the 1:1 swap, pairs of 2024-09-10"),
    Rename("FTM", "S", "Binance's announcement of the 1:1 swap, pairs of 2025-01-13"),
)


class Successor(NamedTuple):
    """The symbol that goes on, and where that is documented."""

    symbol: str
    source: str


def find_successor(symbol: str) -> Successor | None:
    """Return the symbol that a symbol goes on as, `None` where no change is known."""
    for rename in RENAMES:
        if symbol.startswith(rename.base) and len(symbol) > len(rename.base):
            quote = symbol[len(rename.base) :]
            return Successor(rename.successor + quote, rename.source)
    return None
