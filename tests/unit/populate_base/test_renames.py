from __future__ import annotations

import pytest

from populate_base.renames import RENAMES, find_successor


@pytest.mark.parametrize(
    ("symbol", "successor"),
    [("NANOUSDT", "XNOUSDT"), ("NANOBTC", "XNOBTC"), ("MATICEUR", "POLEUR"), ("FTMUSDT", "SUSDT")],
)
def test_a_renamed_symbol_has_a_successor(symbol: str, successor: str) -> None:
    found = find_successor(symbol)

    assert found is not None
    assert found.symbol == successor


def test_what_was_not_renamed_has_none() -> None:
    assert find_successor("BTCUSDT") is None
    assert find_successor("NANO") is None


def test_each_rename_names_its_source() -> None:
    assert all(rename.source for rename in RENAMES)
