"""Which host is asked."""

from __future__ import annotations

import pytest

from populate_base.hosts import FIRST_REST_S, LONGEST_REST_S, HostList

A, B, C = "https://a", "https://b", "https://c"


def test_hosts_are_asked_in_their_order() -> None:
    assert HostList([A, B, C]).rank(0) == [A, B, C]


def test_a_host_that_failed_rests_and_comes_back() -> None:
    hosts = HostList([A, B])

    hosts.blame(A, 100)

    assert hosts.rank(100) == [B]
    assert hosts.resting(100) == [A]
    assert hosts.rank(100 + FIRST_REST_S) == [A, B]


def test_rests_grow_up_to_a_bound_and_an_answer_ends_them() -> None:
    hosts = HostList([A, B])
    for _ in range(3):
        hosts.blame(A, 0)

    assert hosts.rank(4 * FIRST_REST_S - 0.1) == [B]
    assert hosts.rank(4 * FIRST_REST_S) == [A, B]
    for _ in range(50):
        hosts.blame(A, 0)
    assert hosts.rank(LONGEST_REST_S) == [A, B]
    hosts.praise(A)
    assert hosts.rank(0) == [A, B]


def test_where_all_rest_the_first_to_wake_is_asked() -> None:
    hosts = HostList([A, B])
    hosts.blame(A, 0)
    hosts.blame(A, 0)
    hosts.blame(B, 1)

    assert hosts.rank(2) == [B]


@pytest.mark.parametrize("now_s", [0, 3, 1e9])
def test_a_single_host_is_always_asked(now_s: float) -> None:
    hosts = HostList([A + "/"])
    hosts.blame(A, 2)

    assert hosts.rank(now_s) == [A]
