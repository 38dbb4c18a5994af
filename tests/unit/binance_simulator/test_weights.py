from __future__ import annotations

from binance_simulator.limits import LONGEST_BAN_S, Limits
from binance_simulator.weights import WeightBudget

NOON_S = 1_700_000_040.0 - 1_700_000_040 % 300
PATIENCE, BAN_S = Limits().patience, Limits().ban_s


def budget_of(weight: int, raw_requests: int = 300_000) -> WeightBudget:
    return WeightBudget(Limits(weight=weight, raw_requests=raw_requests))


def test_budget_counts_each_address_by_the_minute() -> None:
    budget = budget_of(10)

    used = [budget.spend("a", 4, NOON_S).used for _ in range(2)]

    assert used == [4, 8]
    assert budget.spend("b", 4, NOON_S).used == 4
    assert budget.spend("a", 2, NOON_S + 59.9).status == 200
    assert budget.spend("a", 4, NOON_S + 60).used == 4


def test_budget_asks_to_wait_until_the_minute_ends() -> None:
    budget = budget_of(10)
    budget.spend("a", 10, NOON_S + 15)

    verdict = budget.spend("a", 1, NOON_S + 15.5)

    assert (verdict.status, verdict.used, verdict.retry_after_s) == (429, 11, 45)


def test_budget_bans_who_does_not_wait_and_forgives_in_time() -> None:
    budget = budget_of(1)
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


def test_each_ban_is_twice_as_long_up_to_three_days() -> None:
    budget, now_s = budget_of(1), NOON_S

    bans = []
    for _ in range(14):
        while (verdict := budget.spend("a", 2, now_s)).status != 418:
            pass
        bans.append(verdict.banned_until_ms / 1000 - now_s)
        now_s = verdict.banned_until_ms / 1000

    assert bans[:3] == [BAN_S, 2 * BAN_S, 4 * BAN_S]
    assert bans[-1] == LONGEST_BAN_S


def test_budget_counts_requests_too_whatever_they_weigh() -> None:
    budget = budget_of(6000, raw_requests=3)

    verdicts = [budget.spend("a", 0, NOON_S + 100) for _ in range(4)]

    assert [verdict.status for verdict in verdicts] == [200, 200, 200, 429]
    assert verdicts[-1].by_number
    assert verdicts[-1].retry_after_s == 200
    assert budget.spend("a", 0, NOON_S + 300).status == 200


def test_limit_and_ban_hold_for_their_time() -> None:
    budget = budget_of(6000)

    budget.limit("a", 30, NOON_S)
    limited = budget.spend("a", 1, NOON_S + 10)
    budget.ban("a", 60, NOON_S + 20)
    banned = budget.spend("a", 1, NOON_S + 79)

    assert (limited.status, limited.retry_after_s) == (429, 20)
    assert (banned.status, banned.retry_after_s) == (418, 2)
    assert budget.spend("a", 1, NOON_S + 80).status == 200
