"""The symbols the populator works on, as the exchange describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from market.errors import NotFound
from market.interval import Interval
from market.selection import Candidate, SymbolSelection
from market.store import Store
from market.store.symbol_states import GONE
from market.store.symbols import Series, Symbol, find_series, write_symbols
from populate_base.lifecycle import take_snapshot
from populate_base.renames import find_successor
from populate_base.source import KlineSource


def register_series(
    store: Store,
    source: KlineSource,
    wanted: SymbolSelection | Sequence[str],
    intervals: Iterable[Interval],
    now_ms: int,
) -> list[Series]:
    """Write the symbols wanted into the store and return every one at every interval.

    What the exchange says of all its symbols is kept too: a snapshot of its universe.
    Series of 1h come first, so that forecasts of them can begin while others still load.
    A symbol that the exchange no longer lists is returned where the store knows it.

    Raises:
        NotFound: neither the exchange nor the store knows a symbol that was named, or a
            rule selects none; no symbol is registered then.
    """
    selection = wanted if isinstance(wanted, SymbolSelection) else SymbolSelection(tuple(wanted))
    known = take_snapshot(store, source, now_ms)
    names = selection.choose(
        Candidate(one.symbol, one.quote_asset, one.status) for one in known.values()
    )
    _check_names(names, known, source.venue)
    write_symbols(store, [known[name] for name in names], now_ms, venue=source.venue)
    ordered = sorted(set(intervals), key=lambda i: (i is not Interval.H1, -i.typical_ms))
    with store.read() as connection:
        return [
            find_series(connection, name, interval, venue=source.venue)
            for interval in ordered
            for name in names
        ]


def _check_names(names: Sequence[str], known: Mapping[str, Symbol], venue: str) -> None:
    if not names:
        raise NotFound(
            "no symbol in trading is selected",
            hint="`populate-base symbols` lists them; KLINECAST_SYMBOLS selects.",
        )
    unknown = [name for name in names if name not in known]
    if not unknown:
        return
    listed = ", ".join(map(repr, unknown))
    successor = find_successor(unknown[0])
    hint = "Symbols are written as in BTCUSDT: base and quote asset together."
    if successor is not None and known.get(successor.symbol, _NOWHERE).status != GONE:
        hint = f"It was renamed: its klines go on as {successor.symbol}."
    raise NotFound(
        f"{venue.capitalize()} does not know the symbol{'s' if unknown[1:] else ''} {listed}",
        hint=hint,
    )


_NOWHERE = Symbol("", "", "", GONE, "{}")
