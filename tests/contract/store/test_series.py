"""Symbols, watermarks, extents, champions and score cards."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from market.errors import NotFound
from market.interval import Interval
from market.store import Store
from market.store.champions import read_champion, read_champion_history, write_champion
from market.store.klines import write_klines
from market.store.score_ledger import read_score_cards, write_score_cards
from market.store.symbols import (
    Series,
    Symbol,
    find_series,
    read_extents,
    read_symbols,
    read_watermark,
    write_symbols,
    write_watermark,
)
from support.klines import make_klines
from support.ledger_rows import make_card
from support.stores import BATCH, add_series, rows, stored

BTC = Symbol("BTCUSDT", "BTC", "USDT", "TRADING", '{"symbol":"BTCUSDT","note":"żółw"}')


def test_symbol_comes_back(store: Store) -> None:
    write_symbols(store, [BTC], seen_ms=5)

    with store.read() as connection:
        ((_, symbol),) = read_symbols(connection)
    assert symbol == BTC


def test_symbol_seen_again_keeps_its_number_and_first_sight(store: Store) -> None:
    write_symbols(store, [BTC], seen_ms=5)
    with store.read() as connection:
        before = read_symbols(connection)

    write_symbols(store, [BTC._replace(status="BREAK")], seen_ms=9)
    write_symbols(store, [], seen_ms=10)

    with store.read() as connection:
        after = read_symbols(connection)
    assert after == [(before[0][0], BTC._replace(status="BREAK"))]
    (row,) = rows(store, "SELECT first_seen_ms, last_seen_ms FROM symbols")
    assert tuple(row.values()) == (5, 9)


def test_refreshing_symbols_uses_up_no_numbers(store: Store) -> None:
    many = [Symbol(f"C{number}USDT", f"C{number}", "USDT", "TRADING", "{}") for number in range(40)]
    for seen_ms in range(5):
        write_symbols(store, many, seen_ms)

    add_series(store, "AUSDT", Interval.H1)

    with store.read() as connection:
        numbers = sorted(number for number, _ in read_symbols(connection))
    assert numbers[-1] - numbers[0] == 40


def test_unknown_symbol_is_not_found(store: Store) -> None:
    write_symbols(store, [BTC], seen_ms=5)

    with store.read() as connection:
        for wrong in ("ETHUSDT", "btcusdt", ""):
            with pytest.raises(NotFound, match=repr(wrong)):
                find_series(connection, wrong, Interval.H1)


def test_minute_and_month_are_kept_apart(store: Store) -> None:
    minute = add_series(store, "BTCUSDT", Interval.M1)
    month = add_series(store, "BTCUSDT", Interval.MO1)

    write_klines(store, minute, make_klines(Interval.M1, 4), BATCH)
    write_klines(store, month, make_klines(Interval.MO1, 2), BATCH)

    assert stored(store, minute) == make_klines(Interval.M1, 4)
    assert stored(store, month) == make_klines(Interval.MO1, 2)


def test_watermark_moves_and_goes(store: Store, series: Series) -> None:
    found = []

    for value in (5, 7, 3, None):
        with store.begin() as connection:
            write_watermark(connection, series, value)
        with store.read() as connection:
            found.append(read_watermark(connection, series))

    assert found == [5, 7, 3, None]


def test_extents_tell_what_is_stored(store: Store, series: Series) -> None:
    daily = add_series(store, "ETHUSDT", Interval.D1)
    hours, days = make_klines(Interval.H1, 5), make_klines(Interval.D1, 3)
    write_klines(store, series, hours, BATCH)
    write_klines(store, daily, days, BATCH)
    with store.begin() as connection:
        write_watermark(connection, series, hours[3].open_time_ms)

    with store.read() as connection:
        extents = read_extents(connection)

    assert [tuple(extent) for extent in extents] == [
        (series, 5, hours[0].open_time_ms, hours[-1].open_time_ms, hours[3].open_time_ms),
        (daily, 3, days[0].open_time_ms, days[-1].open_time_ms, None),
    ]


def test_newest_champion_is_the_champion(store: Store, series: Series) -> None:
    daily = add_series(store, "BTCUSDT", Interval.D1)
    with store.begin() as connection:
        assert read_champion(connection, series) is None
        write_champion(connection, series, "ridge", "ridge-1", 100, "first training")
        write_champion(connection, series, "mlp", "mlp-1", 100, "better by 2 %")
        write_champion(connection, daily, "ridge", "ridge-9", 300, "first training")

    with store.read() as connection:
        champion = read_champion(connection, series)
        history = read_champion_history(connection, series)

    assert champion is not None
    assert tuple(champion) == ("BTCUSDT", Interval.H1, "mlp", "mlp-1", 100, "better by 2 %")
    assert [one.version for one in history] == ["mlp-1", "ridge-1"]


def test_score_card_comes_back(store: Store, series: Series) -> None:
    cards = [make_card(step=step) for step in (24, 1, 6)]

    write_score_cards(store, cards)
    write_score_cards(store, [])

    with store.read() as connection:
        found = read_score_cards(connection)
    assert found == sorted(cards, key=lambda card: card.step)


def test_score_card_written_again_replaces_the_first(store: Store, series: Series) -> None:
    write_score_cards(store, [make_card(n=1)])
    write_score_cards(store, [make_card(n=2)])

    with store.read() as connection:
        assert [card.n for card in read_score_cards(connection)] == [2]


def test_newest_version_of_each_model_and_kind_is_read(store: Store, series: Series) -> None:
    old, new = make_card(version="z-old"), make_card(version="a-new", to_ms=9 * 10**12)
    # The last targets of a longer step are nearer to the end.
    new_24 = make_card(version="a-new", step=24, to_ms=1)
    live = make_card(version="z-old", kind="live")
    other = make_card(model="mlp", version="mlp-1")
    write_score_cards(store, [old, new_24, new, live, other])

    with store.read() as connection:
        assert read_score_cards(connection) == [other, live, new, new_24]
        assert read_score_cards(connection, model="ridge", kind="live") == [live]
        assert read_score_cards(connection, symbol="ETHUSDT") == []
        assert read_score_cards(connection, symbol="BTCUSDT", interval=Interval.D1) == []


def test_score_card_that_nobody_can_read_is_passed_over(store: Store, series: Series) -> None:
    good, bad = make_card(step=1), make_card(step=6, n_eff=1)
    write_score_cards(store, [good, bad.model_copy(update={"skill_ewma": float("nan")})])

    with store.read() as connection, capture_logs() as logs:
        assert read_score_cards(connection) == [good]
    assert [(log["event"], log["version"], log["step"]) for log in logs] == [
        ("score_card_not_read", bad.version, 6)
    ]


def test_score_card_of_an_unknown_symbol_is_refused(store: Store, series: Series) -> None:
    with pytest.raises(NotFound, match="ETHUSDT"):
        write_score_cards(store, [make_card(), make_card(symbol="ETHUSDT")])

    with store.read() as connection:
        assert read_score_cards(connection) == []
