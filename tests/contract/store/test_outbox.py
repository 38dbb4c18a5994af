from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from market.interval import Interval
from market.store import Store
from market.store.outbox import (
    Announcement,
    DeadLetter,
    announce,
    announce_absent,
    bury,
    confirm,
    drop_dead_letters,
    kline_key,
    outbox_depth,
    parse_kline_key,
    read_dead_letters,
    read_outbox,
    retry_dead_letters,
)
from market.store.symbols import Series


def say(store: Store, *keys: str, at_ms: int = 100) -> None:
    with store.begin() as connection:
        announce(connection, "klines", keys, at_ms)


def waiting(store: Store) -> list[Announcement]:
    with store.read() as connection:
        return read_outbox(connection, 1000)


def dead(store: Store) -> list[DeadLetter]:
    with store.read() as connection:
        return read_dead_letters(connection)


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
        delivered = read_outbox(connection, 1100)
        assert confirm(connection, delivered) == delivered

    assert len(waiting(store)) == 100


def test_announcement_during_delivery_is_not_lost(store: Store) -> None:
    say(store, "a", "b", at_ms=100)
    delivered = waiting(store)
    say(store, "a", at_ms=100)  # within the same millisecond, while it is being delivered

    with store.begin() as connection:
        confirmed = confirm(connection, delivered)

    assert [one.key for one in confirmed] == ["b"]
    (left,) = waiting(store)
    assert left.key == "a"
    assert left.changed_at_ms > 100
    assert left.stamp != delivered[0].stamp


def test_announcement_after_anothers_confirm_is_not_lost(store: Store) -> None:
    """Two relays read the same announcement, and the clock stands still throughout."""
    say(store, "a", at_ms=100)
    first, second = waiting(store), waiting(store)
    with store.begin() as connection:
        confirm(connection, first)
    say(store, "a", at_ms=100)  # the row is gone: nothing makes the time grow

    with store.begin() as connection:
        assert confirm(connection, second) == []

    assert [one.key for one in waiting(store)] == ["a"]


def test_of_two_confirms_one_counts(store: Store) -> None:
    say(store, "a", "b")
    both = waiting(store)

    with store.begin() as connection:
        first = confirm(connection, both[:1])
    with store.begin() as connection:
        second = confirm(connection, both)

    assert (first, second) == (both[:1], both[1:])


def test_announcing_what_is_absent_leaves_the_rest_alone(store: Store) -> None:
    say(store, "a", "b")
    both = waiting(store)
    with store.begin() as connection:
        confirm(connection, both[:1])

    with store.begin() as connection:
        announce_absent(connection, both)
        announce_absent(connection, [])

    again, kept = waiting(store)
    assert kept == both[1]
    assert again[:3] == both[0][:3]
    assert again.stamp != both[0].stamp


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
        assert bury(connection, bad, "mapping conflict", 7)

    assert waiting(store) == [good]
    assert dead(store) == [DeadLetter("klines", "a", "mapping conflict", 7, bad.stamp)]
    with store.read() as connection:
        assert outbox_depth(connection) == (1, 100, 1)


def test_announcement_of_before_is_not_buried(store: Store) -> None:
    """Two relays were refused the same document; one of them comes when it is right again."""
    say(store, "a", "b")
    first, second = waiting(store), waiting(store)
    with store.begin() as connection:
        bury(connection, first[0], "mapping conflict", 7)
    say(store, "a", "b")  # mended, while the clock stands still

    with store.begin() as connection:
        buried = [bury(connection, letter, "mapping conflict", 8) for letter in second]

    assert buried == [False, False]
    assert [one.key for one in waiting(store)] == ["a", "b"]
    assert [one.failed_at_ms for one in dead(store)] == [7]


def test_confirmed_announcement_is_dead_no_longer(store: Store) -> None:
    say(store, "a", "b")
    with store.begin() as connection:
        for letter in read_outbox(connection, 2):
            bury(connection, letter, "mapping conflict", 7)
    say(store, "a")

    with store.begin() as connection:
        confirm(connection, read_outbox(connection, 1))

    assert [one.key for one in dead(store)] == ["b"]


def test_late_confirm_leaves_a_newer_dead_letter(store: Store) -> None:
    say(store, "a")
    old = waiting(store)
    say(store, "a")
    with store.begin() as connection:
        bury(connection, read_outbox(connection, 1)[0], "mapping conflict", 7)

    with store.begin() as connection:
        confirm(connection, old)

    assert len(dead(store)) == 1


def test_dropping_what_was_read_leaves_a_letter_buried_since(store: Store) -> None:
    say(store, "a", "b")
    with store.begin() as connection:
        for letter in read_outbox(connection, 2):
            bury(connection, letter, "mapping conflict", 7)
    read = dead(store)
    say(store, "a")
    with store.begin() as connection:
        bury(connection, read_outbox(connection, 1)[0], "another one", 7)

    with store.begin() as connection:
        dropped = drop_dead_letters(connection, read)

    assert dropped == 1
    assert [one.reason for one in dead(store)] == ["another one"]


def test_retried_letters_wait_again(store: Store) -> None:
    say(store, "a", "b")
    with store.begin() as connection:
        for letter in read_outbox(connection, 2):
            bury(connection, letter, "mapping conflict", 7)

    with store.begin() as connection:
        assert retry_dead_letters(connection, read_dead_letters(connection, 1), 9) == 1

    assert [(one.key, one.changed_at_ms) for one in waiting(store)] == [("a", 9)]
    assert [one.key for one in dead(store)] == ["b"]


def test_empty_outbox_has_no_oldest(store: Store) -> None:
    with store.read() as connection:
        assert outbox_depth(connection) == (0, None, 0)


def test_relays_and_writers_at_once_lose_nothing(store: Store) -> None:
    """Two relays deliver what three writers announce, by a clock that stands still.

    Each relay sends the version it read when it read it: the last version of each key must
    have been sent by one of them after it was written.
    """
    keys = [f"key {number}" for number in range(20)]
    versions = dict.fromkeys(keys, 0)
    sent: dict[str, int] = dict.fromkeys(keys, 0)
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
            with guard:
                letters = waiting(store)
                now = {letter.key: versions[letter.key] for letter in letters}
            with guard:
                for key, version in now.items():
                    sent[key] = max(sent[key], version)
            store.transact(partial(confirm, delivered=letters))

    with ThreadPoolExecutor(5) as pool:
        relaying = [pool.submit(relay) for _ in range(2)]
        for writer in [pool.submit(write, seed) for seed in (1, 2, 3)]:
            writer.result()
        done.set()
        for one in relaying:
            one.result()

    assert sent == versions
