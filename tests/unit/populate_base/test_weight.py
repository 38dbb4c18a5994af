"""The request weight budget."""

from __future__ import annotations

from populate_base.weight import WeightBudget

RATE_LIMITS = [
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
]


def test_half_the_limit_is_free() -> None:
    budget = WeightBudget()
    budget.read_limit(RATE_LIMITS)

    budget.read_used({"x-mbx-used-weight-1m": "600"})

    assert budget.pause_s(0, 1.0) == 0


def test_above_half_it_waits_for_the_next_minute_once() -> None:
    budget = WeightBudget()
    budget.read_limit(RATE_LIMITS)
    budget.read_used({"X-MBX-USED-WEIGHT-1M": "601"})

    assert budget.pause_s(60_000 * 7 + 45_000, 1.0) == 15
    assert budget.pause_s(60_000 * 7 + 45_000, 1.0) == 0


def test_a_hurrying_clock_shortens_the_wait() -> None:
    budget = WeightBudget()
    budget.read_used({"X-MBX-USED-WEIGHT-1M": "5999"})

    assert budget.pause_s(0, 60.0) == 1


def test_a_frozen_clock_does_not_wait_for_ever() -> None:
    budget = WeightBudget()
    budget.read_used({"X-MBX-USED-WEIGHT-1M": "5999"})

    assert budget.pause_s(0, 0.0) == 60
