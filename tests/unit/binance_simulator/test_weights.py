from __future__ import annotations

from binance_simulator.weights import BAN_S, PATIENCE, WeightBudget

NOON_S = 1_700_000_040.0 - 1_700_000_040 % 60


def test_budget_counts_each_address_by_the_minute() -> None:
    budget = WeightBudget(limit=10)

    used = [budget.spend("a", 4, NOON_S).used for _ in range(2)]

    assert used == [4, 8]
    assert budget.spend("b", 4, NOON_S).used == 4
    assert budget.spend("a", 2, NOON_S + 59.9).status == 200
    assert budget.spend("a", 4, NOON_S + 60).used == 4


def test_budget_asks_to_wait_until_the_minute_ends() -> None:
    budget = WeightBudget(limit=10)
    budget.spend("a", 10, NOON_S + 15)

    verdict = budget.spend("a", 1, NOON_S + 15.5)

    assert (verdict.status, verdict.used, verdict.retry_after_s) == (429, 11, 45)


def test_budget_bans_who_does_not_wait_and_forgives_in_time() -> None:
    budget = WeightBudget(limit=1)
    budget.spend("a", 1, NOON_S)

    refused = [budget.spend("a", 1, NOON_S + 1).status for _ in range(PATIENCE + 1)]
    later = budget.spend("a", 1, NOON_S + 61)
    after = budget.spend("a", 1, NOON_S + BAN_S + 60)

    assert refused == [429] * PATIENCE + [418]
    assert later.status == 418
    assert later.banned_until_ms == (NOON_S + 1 + BAN_S) * 1000
    assert later.retry_after_s == BAN_S - 60 + 1
    assert budget.spend("b", 1, NOON_S + 62).status == 200
    assert after.status == 200


def test_reset_forgets_bans() -> None:
    budget = WeightBudget(limit=1)
    for _ in range(PATIENCE + 2):
        budget.spend("a", 1, NOON_S)

    budget.reset()

    assert budget.spend("a", 1, NOON_S).status == 200
