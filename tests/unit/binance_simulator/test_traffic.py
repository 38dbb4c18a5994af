from __future__ import annotations

from typing import Any

from binance_simulator.traffic import Traffic

NOON_S = 1_700_000_040.0


def told(traffic: Traffic) -> dict[str, Any]:
    return traffic.tell()


def test_requests_and_weight_are_counted_by_the_minute() -> None:
    traffic = Traffic()
    for after_s, weight in ((0, 2), (1, 20), (60, 2)):
        traffic.request("a", weight, NOON_S - NOON_S % 60 + after_s)

    told_minutes = told(traffic)["minutes"]
    assert [(m["requests"], m["weight"]) for m in told_minutes] == [(2, 22), (1, 2)]
    assert told(traffic)["totals"]["weight"] == 24


def test_only_minutes_of_four_hours_are_kept() -> None:
    traffic = Traffic()
    for minute in range(1000):
        traffic.request("a", 1, minute * 60)

    assert len(told(traffic)["minutes"]) == 240
    assert told(traffic)["totals"]["requests"] == 1000


def test_requests_of_who_was_told_to_wait_are_counted() -> None:
    traffic = Traffic()
    traffic.refused("a", 429, 30, NOON_S)
    # What was on its way already is not held against anybody.
    for after_s in (0.1, 1, 29, 30):
        traffic.request("a", 1, NOON_S + after_s)
    traffic.request("b", 1, NOON_S + 1)
    traffic.refused("a", 418, 120, NOON_S + 40)
    traffic.request("a", 1, NOON_S + 100, "/api/v3/time")

    offence = told(traffic)["offences"][-1]
    assert (offence["counter"], offence["request"]) == ("sent_while_banned", "/api/v3/time")
    assert (offence["seconds_since_told"], offence["seconds_to_wait"]) == (60, 60)
    totals = told(traffic)["totals"]
    assert (totals["sent_while_limited"], totals["sent_while_banned"]) == (2, 1)
    assert (totals["answered_429"], totals["answered_418"]) == (1, 1)


def test_being_told_again_does_not_forgive() -> None:
    traffic = Traffic()
    for after_s in (0.0, 0.2, 0.4, 0.6):
        traffic.request("a", 1, NOON_S + after_s)
        traffic.refused("a", 429, 10, NOON_S + after_s)

    assert told(traffic)["totals"]["sent_while_limited"] == 2


def test_reset_begins_the_counts_anew() -> None:
    traffic = Traffic()
    traffic.request("a", 1, NOON_S)

    traffic.reset()

    assert told(traffic)["totals"]["requests"] == 0
    assert told(traffic)["minutes"] == []
