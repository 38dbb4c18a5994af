"""A ban holds for requests that were about to be sent, and by the clock of who banned."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

import pytest

from market.clock import ExchangeClock
from market.errors import RateLimited
from market.store import Store
from market.wire_clock import WireClock
from populate_base.exchange import Exchange
from populate_base.weight import WeightBudget
from support.recording_server import RecordingServer, Request, recording

TIME = "GET /api/v3/time"
BANNED = {"code": -1003, "msg": "Way too many requests."}
DAY_S = 86_400


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    """A host that bans at the first request and would answer any later one."""
    with recording() as server:
        server.answer(TIME, (418, BANNED), (200, {"serverTime": 1}))
        yield server


def test_threads_that_wait_for_their_turn_hear_of_a_ban_before_they_send(
    server: RecordingServer, store: Store
) -> None:
    take = server.take

    def answer_late(request: Request) -> tuple[int, bytes]:
        time.sleep(0.5)  # so that the others stand behind the first one
        answer: tuple[int, bytes] = take(request)
        return answer

    server.take = answer_late
    exchange = Exchange([server.url], ExchangeClock(), WeightBudget(store, WireClock()))

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(exchange.fetch_time_ms) for _ in range(4)]
        errors = [call.exception() for call in calls]

    exchange.close()
    assert [type(error) for error in errors] == [RateLimited] * 4
    assert len(server.requests) == 1


def test_a_ban_is_told_by_the_clock_of_the_machine_that_bans(
    server: RecordingServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def yesterday(_handler: object) -> str:
        return formatdate(time.time() - DAY_S, usegmt=True)

    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", yesterday)
    exchange = Exchange([server.url], ExchangeClock(), WeightBudget(store, WireClock()))

    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            exchange.fetch_time_ms()
        assert caught.value.retry_after_s == pytest.approx(120, abs=5)

    exchange.close()
    assert len(server.requests) == 1
