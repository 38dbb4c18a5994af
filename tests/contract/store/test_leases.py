"""Leases on every engine: one holder at a time, whoever asks at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from market.store import Store, open_store
from market.store import tables as t
from market.store.leases import (
    Holder,
    KeptLease,
    read_lease,
    release_lease,
    take_lease,
    this_process,
)
from support.ports import free_port
from support.processes import wait_until

HOUR_MS = 3_600_000
#: Long enough for a machine that is busy with other things.
PATIENCE_S = 60.0
FIRST, SECOND = Holder("one:1", 11), Holder("two:2", 22)


def set_end(store: Store, until_ms: int) -> None:
    with store.begin() as connection:
        connection.execute(t.leases.update().values(until_ms=until_ms))


def clock_ms(store: Store) -> int:
    """Return the database's clock to the second."""
    query = "SELECT strftime('%s', 'now')" if store.is_sqlite else "SELECT UNIX_TIMESTAMP()"
    with store.read() as connection:
        return int(connection.execute(text(query)).scalar_one()) * 1000


@contextmanager
def kept(store: Store, name: str = "relay", *, length_s: float = PATIENCE_S) -> Iterator[KeptLease]:
    lease = KeptLease(store, name, length_s=length_s)
    lease.start()
    yield lease
    lease.release(PATIENCE_S)


def test_lease_that_is_held_is_not_taken(store: Store) -> None:
    taken = take_lease(store, "relay", FIRST, HOUR_MS)

    assert taken.holder == FIRST
    assert take_lease(store, "relay", SECOND, HOUR_MS) == taken
    assert read_lease(store, "relay") == taken


def test_leases_of_other_names_are_free(store: Store) -> None:
    take_lease(store, "follow|BTCUSDT", FIRST, HOUR_MS)

    assert take_lease(store, "follow|btcusdt", SECOND, HOUR_MS).holder == SECOND
    assert read_lease(store, "follow|ETHUSDT") is None


def test_holder_prolongs_its_lease(store: Store) -> None:
    short = take_lease(store, "relay", FIRST, HOUR_MS)

    long = take_lease(store, "relay", FIRST, 2 * HOUR_MS)

    assert long.holder == FIRST
    assert long.until_ms >= short.until_ms + HOUR_MS


def test_end_is_told_by_the_databases_clock(store: Store) -> None:
    before = clock_ms(store)
    lease = take_lease(store, "relay", FIRST, HOUR_MS)
    after = clock_ms(store)

    assert before <= lease.until_ms - HOUR_MS < after + 1000


def test_expired_lease_is_taken_over(store: Store) -> None:
    take_lease(store, "relay", FIRST, HOUR_MS)
    set_end(store, clock_ms(store) - 1)

    assert read_lease(store, "relay") is None
    assert take_lease(store, "relay", SECOND, HOUR_MS).holder == SECOND
    assert take_lease(store, "relay", FIRST, HOUR_MS).holder == SECOND


def test_released_lease_is_free_at_once(store: Store) -> None:
    take_lease(store, "relay", FIRST, HOUR_MS)

    assert release_lease(store, "relay", FIRST)

    assert read_lease(store, "relay") is None
    assert take_lease(store, "relay", SECOND, HOUR_MS).holder == SECOND


def test_lease_of_another_is_not_released(store: Store) -> None:
    taken = take_lease(store, "relay", FIRST, HOUR_MS)

    assert not release_lease(store, "relay", SECOND)
    assert not release_lease(store, "nothing", SECOND)

    assert read_lease(store, "relay") == taken


def test_process_of_the_same_name_is_another_holder(store: Store) -> None:
    """Containers may share their host's name, and each runs as the same process id."""
    first, second = this_process(), this_process()
    taken = take_lease(store, "relay", first, HOUR_MS)

    assert first.name == second.name
    assert take_lease(store, "relay", second, HOUR_MS) == taken


@pytest.mark.parametrize("state", ["free", "expired"])
def test_of_many_who_ask_at_once_one_gets_it(store: Store, state: str) -> None:
    if state == "expired":
        take_lease(store, "relay", FIRST, HOUR_MS)
        set_end(store, 1)
    holders = [Holder(f"host:{number}", number) for number in range(100, 112)]

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda one: take_lease(store, "relay", one, HOUR_MS), holders))

    assert len(set(found)) == 1
    assert found[0].holder in holders


def test_kept_lease_passes_on_when_it_is_released(store: Store) -> None:
    with kept(store) as first:
        assert first.wait(PATIENCE_S)
        assert first.standing_by is None
        with kept(store) as second:
            assert not second.wait(1.0)
            told = str(second.standing_by)
            assert told.startswith(f"standing by: the lease is held by {first.holder.name} until 2")

            first.release(PATIENCE_S)

            assert second.wait(PATIENCE_S)
            assert not first.is_held
    assert read_lease(store, "relay") is None


def test_kept_lease_outlives_its_length(store: Store) -> None:
    with kept(store, length_s=1.5) as lease:
        assert lease.wait(PATIENCE_S)
        first = read_lease(store, "relay")
        assert first is not None
        wait_until(lambda: read_lease(store, "relay") != first, "a prolonged lease")
        now = read_lease(store, "relay")

    assert now is not None
    assert now.holder == first.holder
    assert now.until_ms > first.until_ms


def test_kept_lease_that_was_taken_away_is_told(store: Store) -> None:
    with kept(store, length_s=1.5) as lease:
        assert lease.wait(PATIENCE_S)
        set_end(store, 1)
        while take_lease(store, "relay", SECOND, HOUR_MS).holder != SECOND:
            set_end(store, 1)

        wait_until(lambda: "held by two:2 until" in str(lease.standing_by), "the loss")
        assert not lease.is_held


def test_kept_lease_of_a_store_that_is_down_is_not_held() -> None:
    store = open_store(f"mysql://nobody:nothing@127.0.0.1:{free_port()}/market")
    with kept(store) as lease:
        wait_until(lambda: "does not answer" in str(lease.standing_by), "the reason")
        assert not lease.wait(0)
    store.close()
