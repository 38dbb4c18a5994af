"""The series a rule selects, as the store knows them."""

from __future__ import annotations

from pathlib import Path

from forecasting.followed import RuledSeries
from market.interval import Interval
from market.selection import parse_selection
from market.store import open_store
from market.store.schema import migrate
from market.store.symbols import Symbol, write_symbols


def test_a_rule_is_resolved_against_the_store_each_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = open_store(url)
    migrate(store)
    btc = Symbol("BTCUSDT", "BTC", "USDT", "TRADING", "{}")
    write_symbols(store, [btc, Symbol("ETHBTC", "ETH", "BTC", "TRADING", "{}")], 1)
    followed = RuledSeries(
        lambda: open_store(url), parse_selection("quote:USDT"), [Interval.H1, Interval.D1]
    )

    first = list(followed)
    write_symbols(store, [Symbol("ARBUSDT", "ARB", "USDT", "TRADING", "{}")], 2)
    second = list(followed)
    (tmp_path / "store.db").rename(tmp_path / "away.db")
    (tmp_path / "store.db").mkdir()

    assert first == [("BTCUSDT", Interval.H1), ("BTCUSDT", Interval.D1)]
    assert [name for name, _ in second] == ["ARBUSDT", "ARBUSDT", "BTCUSDT", "BTCUSDT"]
    assert list(followed) == second
    store.close()
