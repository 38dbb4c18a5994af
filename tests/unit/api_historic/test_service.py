"""Without the demo's clock there is no time to tell; elsewhere this machine's will do."""

from __future__ import annotations

import time

import pytest

from api_historic.service import Service
from market.clock import ExchangeClock
from market.errors import ExchangeUnavailable
from market.store import open_store


def test_demo_tells_no_time_before_its_clock_was_read(sqlite_url: str) -> None:
    service = Service(open_store(sqlite_url), ExchangeClock(), demo=True)

    with pytest.raises(ExchangeUnavailable, match="clock was not read"):
        service.now_ms()


def test_machine_time_serves_until_the_exchange_answers(sqlite_url: str) -> None:
    service = Service(open_store(sqlite_url), ExchangeClock(), demo=False)

    before_ms = time.time_ns() // 1_000_000
    assert before_ms <= service.now_ms() <= time.time_ns() // 1_000_000
