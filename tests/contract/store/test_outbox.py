from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from market.interval import Interval
from market.store import Store
from market.store.outbox import (
    Announcement,
    announce,
    bury,
    confirm,
    kline_key,
    outbox_depth,
    parse_kline_key,
    read_dead_letters,
    read_outbox,
)
from market.store.symbols import Series


def say(store: Store, *keys: str, at_ms: int = 100) -> None:
    with store.begin() as connection:
        announce(connection, "klines", keys, at_ms)


def waiting(store: Store) -> list[Announcement]:
    with store.read() as connection:
        return read_outbox(connection, 1000)


def test_kline_key_comes_back() -> None:
    key = kline_key(Series(1, "BTCUSDT", Interval.MO1), 5)

    assert parse_kline_key(key) == ("BTCUSDT", Interval.MO1, 5)


def test_oldest_announcements_come_first(store: Store) -> None:
    say(store, "c", at_ms=3)
    say(store, "a", "b", at_ms=1)

    with store.read() as connection:
        first = read_outbox(connection, 2)

    assert [one.key for one in first] == ["a", "b"]


def test_confirmed_announcements_are_gone(store: Store) -> None:
    say(store, *(f"key {number}" for number in range(1200)))

    with store.begin() as connection:
        deleted = confirm(connection, read_outbox(connection, 1100))

    assert deleted == 1100
    assert len(waiting(store)) == 100


def test_announcement_during_delivery_is_not_lost(store: Store) -> None:
    say(store, "a", "b", at_ms=100)
    delivered = waiting(store)
    say(store, "a", at_ms=100)  # within the same millisecond, while it is being delivered

    with store.begin() as connection:
        deleted = confirm(connection, delivered)

    assert deleted == 1
    (left,) = waiting(store)
    assert left.key == "a"
    assert left.changed_at_ms > 100


def test_announcement_after_anothers_confirm_is_not_lost(store: Store) -> None:
    """Two relays read the same announcement, and the clock stands still throughout."""
    say(store, "a", at_ms=100)
    first, second = waiting(store), waiting(store)
    with store.begin() as connection:
        confirm(connection, first)
    say(store, "a", at_ms=100)  # the row is gone: nothing makes the time grow

    with store.begin() as connection:
        confirm(connection, second)

    assert [one.key for one in waiting(store)] == ["a"]


def test_clock_that_goes_back_does_not_lose_an_announcement(store: Store) -> None:
    say(store, "a", at_ms=500)
    delivered = waiting(store)
    say(store, "a", at_ms=20)

    with store.begin() as connection:
        confirm(connection, delivered)

    assert [one.key for one in waiting(store)] == ["a"]


def test_key_named_twice_in_one_announcement_waits_once(store: Store) -> None:
    say(store, "a", "a")

    assert len(waiting(store)) == 1


def test_keys_are_case_sensitive(store: Store) -> None:
    say(store, "BTCUSDT|1m|0", "BTCUSDT|1M|0")

    assert len(waiting(store)) == 2


def test_buried_announcement_is_a_dead_letter(store: Store) -> None:
    say(store, "a", "b")
    bad, good = waiting(store)

    with store.begin() as connection:
        bury(connection, bad, "mapping conflict", 7)
        bury(connection, bad, "mapping conflict again", 8)

    assert waiting(store) == [good]
    with store.read() as connection:
        assert read_dead_letters(connection) == [("klines", "a", "mapping conflict again", 8)]
        assert outbox_depth(connection) == (1, 100, 1)


def test_empty_outbox_has_no_oldest(store: Store) -> None:
    with store.read() as connection:
        assert outbox_depth(connection) == (0, None, 0)


def test_relay_and_writers_at_once_lose_nothing(store: Store) -> None:
    """A relay delivers what three writers announce: the last version of each key arrives."""
    keys = [f"key {number}" for number in range(20)]
    versions = dict.fromkeys(keys, 0)
    delivered: dict[str, int] = {}
    guard, done = threading.Lock(), threading.Event()

    def write(seed: int) -> None:
        for _ in range(15):
            chosen = random.Random(seed).sample(keys, 8)
            with guard:  # the row and its announcement become visible together
                for key in chosen:
                    versions[key] += 1
                store.transact(partial(announce, index="klines", keys=chosen, changed_at_ms=100))
            seed += 10

    def relay() -> None:
        while not done.is_set() or waiting(store):
            letters = waiting(store)
            with guard:
                now = {letter.key: versions[letter.key] for letter in letters}
            for key, version in now.items():
                delivered[key] = version
            store.transact(partial(confirm, delivered=letters))

    with ThreadPoolExecutor(4) as pool:
        relaying = pool.submit(relay)
        for writer in [pool.submit(write, seed) for seed in (1, 2, 3)]:
            writer.result()
        done.set()
        relaying.result()

    assert delivered == {key: version for key, version in versions.items() if version}
