"""Asking for the time counts like any request, and while told to wait nothing is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from market.errors import ExchangeUnavailable, RateLimited, StoreUnavailable
from market.store import Store, open_store
from market.store.request_weight import Claim, Weight, read_weight, reserve_weight, write_ban
from market.store.schema import migrate
from market.store.symbols import VENUE
from market.weighed_time import WeighedTime
from support.ports import free_port
from support.recording_server import RecordingServer, recording

TIME = "GET /api/v3/time"
MINUTE_MS = 60_000


@pytest.fixture(params=["sqlite", "mysql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = open_store(request.getfixturevalue(f"{request.param}_url"))
    migrate(store)
    yield store
    store.close()


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with recording() as server:
        server.answer(TIME, (200, {"serverTime": 17}))
        yield server


def known(store: Store) -> Weight:
    with store.read() as connection:
        return read_weight(connection, VENUE) or Weight()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_each_request_is_counted_where_others_reserve(
    store: Store, server: RecordingServer
) -> None:
    window_ms = now_ms() // MINUTE_MS * MINUTE_MS
    reserve_weight(store, VENUE, Claim(window_ms, 20, 0, 0.5, now_ms()))
    exchange_time = WeighedTime(store, server.url)

    told = [exchange_time.fetch_ms() for _ in range(3)]
    exchange_time.close()

    assert told == [17, 17, 17]
    assert known(store).used == 23
    assert known(store).window_ms == window_ms


def test_the_first_of_all_requests_is_counted(store: Store, server: RecordingServer) -> None:
    exchange_time = WeighedTime(store, server.url)

    exchange_time.fetch_ms()
    exchange_time.close()

    assert known(store).used == 1


def test_nothing_is_asked_while_another_process_was_told_to_wait(
    store: Store, server: RecordingServer
) -> None:
    write_ban(store, VENUE, now_ms() + 40_000, now_ms())
    exchange_time = WeighedTime(store, server.url)

    with pytest.raises(RateLimited, match="to wait for another") as caught:
        exchange_time.fetch_ms()
    exchange_time.close()

    assert caught.value.retry_after_s == pytest.approx(40, abs=5)
    assert server.requests == []
    assert known(store).used == 0


@pytest.mark.parametrize(("status", "wait_s"), [(418, 120), (429, 60)])
def test_being_told_to_wait_is_told_to_all(
    store: Store, server: RecordingServer, status: int, wait_s: int
) -> None:
    server.answer(TIME, (status, {"code": -1003, "msg": "Way too many requests."}))
    exchange_time = WeighedTime(store, server.url, server.url)

    for _ in range(2):
        with pytest.raises(RateLimited):
            exchange_time.fetch_ms()
    exchange_time.close()

    # The second host would say the same, and count it.
    assert len(server.requests) == 1
    assert (known(store).banned_until_ms or 0) - now_ms() == pytest.approx(
        (wait_s + 1) * 1000, abs=5_000
    )


def test_a_host_that_does_not_answer_is_passed_over(store: Store, server: RecordingServer) -> None:
    exchange_time = WeighedTime(store, f"http://127.0.0.1:{free_port()}", server.url)

    assert [exchange_time.fetch_ms(), exchange_time.fetch_ms()] == [17, 17]
    exchange_time.close()

    assert known(store).used == 3


@pytest.mark.parametrize("answer", [(500, {}), (200, []), (200, {}), (403, "no")])
def test_any_other_answer_is_unavailable(
    store: Store, server: RecordingServer, answer: tuple[int, object]
) -> None:
    server.answer(TIME, answer)
    exchange_time = WeighedTime(store, server.url)

    with pytest.raises(ExchangeUnavailable, match="did not tell the time"):
        exchange_time.fetch_ms()
    exchange_time.close()


def test_what_cannot_be_counted_is_not_asked(server: RecordingServer) -> None:
    away = open_store(f"mysql://nobody:none@127.0.0.1:{free_port()}/none")
    exchange_time = WeighedTime(away, server.url)

    with pytest.raises(StoreUnavailable):
        exchange_time.fetch_ms()
    exchange_time.close()
    away.close()

    assert server.requests == []
