"""The request weight budget, on a real store and a clock that waits for nobody."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate

import pytest

from market.errors import RateLimited, SettingsError
from market.store import Store, open_store
from market.store.schema import migrate
from market.wire_clock import WireClock
from populate_base.status import WeightStatus, read_weight_status
from populate_base.weight import WeightBudget

RATE_LIMITS = [
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
]
MINUTE_S = 60.0


class Time:
    """A wall clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 1_000_000 * MINUTE_S + 5
        self.slept_s: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now_s += seconds
        self.slept_s.append(seconds)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """A SQLite store with its schema."""
    store = open_store(sqlite_url)
    migrate(store)
    yield store
    store.close()


def make_budget(store: Store, time: Time, *, limit: int = 1200) -> WeightBudget:
    budget = WeightBudget(store, WireClock(lambda: time.now_s), sleep=time.sleep)
    budget.read_limit([RATE_LIMITS[1] | {"limit": limit}])
    return budget


def headers(time: Time, used: int) -> dict[str, str]:
    return {"X-MBX-USED-WEIGHT-1M": str(used), "Date": formatdate(time.now_s - 0.5, usegmt=True)}


def told(store: Store, time: Time) -> WeightStatus:
    return read_weight_status(store, "binance", 0.5, int(time.now_s * 1000))


def used_now(store: Store, time: Time) -> int:
    return told(store, time).used_1m


def test_half_the_limit_is_free(store: Store) -> None:
    time = Time()
    budget = make_budget(store, time)

    for _ in range(30):
        budget.acquire(20)

    assert time.slept_s == []
    assert used_now(store, time) == 600


def test_the_next_minute_is_waited_for(store: Store) -> None:
    time = Time()
    budget = make_budget(store, time)
    for _ in range(31):
        budget.acquire(20)

    assert len(time.slept_s) == 1
    assert MINUTE_S - 5 <= time.slept_s[0] <= MINUTE_S - 3
    assert used_now(store, time) == 20


def test_little_is_given_right_before_the_turn_of_a_minute(store: Store) -> None:
    time = Time()
    budget = make_budget(store, time)
    for _ in range(16):
        budget.acquire(20)
    time.now_s += 54.8

    budget.acquire(20)

    assert len(time.slept_s) == 1


def test_two_processes_share_it(store: Store) -> None:
    time = Time()
    one, other = make_budget(store, time), make_budget(store, time)

    for _ in range(15):
        one.acquire(20)
        other.acquire(20)
    assert time.slept_s == []
    other.acquire(1)

    assert len(time.slept_s) == 1


def test_other_programs_of_this_address_are_counted(store: Store) -> None:
    time = Time()
    budget = make_budget(store, time)
    budget.acquire(2)

    budget.hear(headers(time, 599), time.now_s, time.now_s)

    assert used_now(store, time) == 599
    make_budget(store, time).acquire(2)
    assert len(time.slept_s) == 1


def test_a_count_heard_at_the_turn_of_a_minute_is_not_taken_for_the_new_one(store: Store) -> None:
    time = Time()
    budget = make_budget(store, time)
    budget.acquire(2)
    time.now_s += 55

    budget.hear(headers(time, 599), time.now_s - 0.2, time.now_s)
    budget.acquire(2)

    assert time.slept_s == []


def test_a_ban_stops_every_process_until_it_ends(store: Store) -> None:
    time = Time()
    one, other = make_budget(store, time), make_budget(store, time)
    one.acquire(2)
    one.stop_until(120)

    for budget in (one, other, make_budget(store, time)):
        with pytest.raises(RateLimited) as caught:
            budget.acquire(1)
        assert caught.value.retry_after_s == pytest.approx(121, abs=0.5)
    assert told(store, time).banned_until_ms is not None
    time.now_s += 122
    other.acquire(1)

    assert time.slept_s == []
    assert told(store, time).banned_until_ms is None


def test_a_wait_that_was_asked_for_is_waited_and_a_second_for_doubtful_clocks(store: Store) -> None:
    time = Time()
    one, other = make_budget(store, time), make_budget(store, time)
    one.stop_until(17)

    other.acquire(1)

    assert time.slept_s == [pytest.approx(18, abs=0.1)]


def test_a_request_larger_than_the_budget_is_refused_at_once(store: Store) -> None:
    budget = make_budget(store, Time(), limit=30)

    with pytest.raises(SettingsError, match="POPULATE_WEIGHT_SHARE"):
        budget.acquire(20)
