"""The shared budget of request weight, on every engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from market.store import Store
from market.store.request_weight import (
    DEFAULT_LIMIT,
    Claim,
    Weight,
    read_weight,
    reserve_weight,
    write_ban,
    write_weight_limit,
    write_weight_used,
)

VENUE = "binance"
MINUTE = 60_000


def claim(weight: int, *, window_ms: int = MINUTE, seen: int = 0, now_ms: int = MINUTE) -> Claim:
    return Claim(window_ms, weight, seen, 0.5, now_ms)


def known(store: Store) -> Weight | None:
    with store.read() as connection:
        return read_weight(connection, VENUE)


def test_before_the_first_request_nothing_is_known(store: Store) -> None:
    assert known(store) is None


def test_half_the_limit_is_given_and_no_more(store: Store) -> None:
    write_weight_limit(store, VENUE, 100, 1)

    assert reserve_weight(store, VENUE, claim(48)) == (True, Weight(MINUTE, 48, 100))
    assert reserve_weight(store, VENUE, claim(3)) == (False, Weight(MINUTE, 48, 100))
    assert reserve_weight(store, VENUE, claim(2)) == (True, Weight(MINUTE, 50, 100))
    assert reserve_weight(store, VENUE, claim(1)) == (False, Weight(MINUTE, 50, 100))


def test_the_limit_is_binances_until_it_is_told(store: Store) -> None:
    assert reserve_weight(store, VENUE, claim(2)) == (True, Weight(MINUTE, 2, DEFAULT_LIMIT))


def test_a_new_minute_begins_with_what_the_exchange_counted(store: Store) -> None:
    reserve_weight(store, VENUE, claim(3_000))

    got = reserve_weight(store, VENUE, claim(2, window_ms=2 * MINUTE, seen=5))

    assert got == (True, Weight(2 * MINUTE, 7, DEFAULT_LIMIT))


def test_what_others_used_is_taken_over(store: Store) -> None:
    reserve_weight(store, VENUE, claim(2))

    assert reserve_weight(store, VENUE, claim(2, seen=2_998))[0]
    assert not reserve_weight(store, VENUE, claim(2, seen=10))[0]


def test_a_process_whose_clock_is_behind_uses_the_newer_minute(store: Store) -> None:
    reserve_weight(store, VENUE, claim(2_999, window_ms=2 * MINUTE))

    assert not reserve_weight(store, VENUE, claim(2, window_ms=MINUTE))[0]
    assert reserve_weight(store, VENUE, claim(1, window_ms=MINUTE))[1].window_ms == 2 * MINUTE


def test_a_minute_told_by_a_clock_that_was_wrong_is_not_waited_for(store: Store) -> None:
    reserve_weight(store, VENUE, claim(3_000, window_ms=1_440 * MINUTE))

    assert reserve_weight(store, VENUE, claim(2)) == (True, Weight(MINUTE, 2))
    assert reserve_weight(store, VENUE, claim(2)) == (True, Weight(MINUTE, 4))


def test_the_exchanges_count_only_raises(store: Store) -> None:
    reserve_weight(store, VENUE, claim(100))

    write_weight_used(store, VENUE, MINUTE, 90, MINUTE)
    assert known(store) == Weight(MINUTE, 100)
    write_weight_used(store, VENUE, MINUTE, 120, MINUTE)
    assert known(store) == Weight(MINUTE, 120)
    write_weight_used(store, VENUE, 0, 900, MINUTE)
    assert known(store) == Weight(MINUTE, 120)


def test_nobody_reserves_while_banned(store: Store) -> None:
    write_ban(store, VENUE, 10 * MINUTE, MINUTE)
    write_ban(store, VENUE, 5 * MINUTE, MINUTE)

    refused, weight = reserve_weight(store, VENUE, claim(1, now_ms=10 * MINUTE - 1))

    assert not refused
    assert weight.banned_until_ms == 10 * MINUTE
    assert reserve_weight(store, VENUE, claim(1, now_ms=10 * MINUTE))[0]


def test_many_at_once_get_the_budget_exactly(store: Store) -> None:
    write_weight_limit(store, VENUE, 200, 1)

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda _: reserve_weight(store, VENUE, claim(2))[0], range(80)))

    assert got.count(True) == 50
    assert known(store) == Weight(MINUTE, 100, 200)
