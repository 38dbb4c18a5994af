"""Which symbols an installation works on: a list, a quote asset, or a regular expression."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

SELECTION_FORMS = (
    "symbols such as BTCUSDT or quote:USDT, separated by commas, or one regular expression"
    " between slashes such as /^(BTC|ETH)USDT$/"
)
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{1,31}")
_QUOTE = re.compile(r"QUOTE:([A-Z0-9]{1,16})")
#: Longer expressions are no choice anybody would read.
_LONGEST_PATTERN = 500
TRADING = "TRADING"


class Candidate(NamedTuple):
    """What a selection looks at of a symbol."""

    symbol: str
    quote_asset: str
    status: str


@dataclass(frozen=True, slots=True)
class SymbolSelection:
    """Symbols named, and rules that pick from those in trading.

    Attributes:
        names: symbols named one by one; wanted whatever their status.
        quotes: quote assets all of whose symbols in trading are wanted.
        pattern: an expression found in the name of every wanted symbol in trading.
    """

    names: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None

    @property
    def is_list(self) -> bool:
        """Tell whether the names are all there is: no exchange is needed to know them."""
        return not self.quotes and self.pattern is None

    @property
    def example(self) -> str:
        """Return the symbol to show where one has to be named before any is known."""
        if self.names:
            return self.names[0]
        return f"BTC{self.quotes[0]}" if self.quotes else "BTCUSDT"

    def admits(self, symbol: str, quote_asset: str) -> bool:
        """Tell whether a symbol is among those selected, its status left aside."""
        by_rule = quote_asset in self.quotes
        by_name = self.pattern is not None and self.pattern.search(symbol) is not None
        return symbol in self.names or by_rule or by_name

    def choose(self, candidates: Iterable[Candidate]) -> list[str]:
        """Return the symbols selected: those named in their order, then others by name."""
        found = sorted(
            one.symbol
            for one in candidates
            if one.status == TRADING
            and one.symbol not in self.names
            and self.admits(one.symbol, one.quote_asset)
        )
        return [*self.names, *found]


def parse_selection(text: str) -> SymbolSelection:
    """Read a selection.

    Raises:
        ValueError: it is none of the forms.
    """
    text = text.strip()
    if text.startswith("/"):
        return SymbolSelection(pattern=_parse_pattern(text))
    names: list[str] = []
    quotes: list[str] = []
    for part in filter(None, (part.strip().upper() for part in text.split(","))):
        quote = _QUOTE.fullmatch(part)
        if quote is not None:
            quotes.append(quote[1])
        elif _SYMBOL.fullmatch(part):
            names.append(part)
        else:
            raise ValueError(f"expected {SELECTION_FORMS}")
    if not names and not quotes:
        raise ValueError(f"expected {SELECTION_FORMS}")
    return SymbolSelection(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(quotes)))


def _parse_pattern(text: str) -> re.Pattern[str]:
    if len(text) < 3 or not text.endswith("/") or len(text) > _LONGEST_PATTERN:
        raise ValueError(f"expected {SELECTION_FORMS}")
    try:
        return re.compile(text[1:-1])
    except re.error as error:
        raise ValueError(f"expected a regular expression that can be read ({error})") from error
