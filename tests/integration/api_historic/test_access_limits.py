"""Quotas and rates, right across processes; what answers tell of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from market.access.usage import read_usage
from market.store import Store
from support.access import REQUIRED, bearer, make_token
from support.history_api import history_api, new_store
from support.history_process import serving
from support.klines import START_MS

PATH = "/v1/symbols"


@pytest.fixture(params=["sqlite", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = new_store(url)
    yield store
    store.close()


def test_two_processes_let_no_more_through_than_the_rate_and_quota(
    store: Store, url: str, tmp_path: Path
) -> None:
    rate, quota = 5, 60
    token = make_token(store, rate=rate, quota=quota)
    environment = {"KLINECAST_STORE_URL": url, "KLINECAST_AUTH": "required"}

    with (
        serving(tmp_path / "first", **environment) as (first, _),
        serving(tmp_path / "second", **environment) as (second, _),
    ):
        clients = [
            httpx.Client(base_url=one, headers=bearer(token), timeout=60) for one in (first, second)
        ]
        for client in clients:  # both know the token now
            client.get(PATH)
        time.sleep(1.1)  # and a second's worth is there again

        def hammer(number: int) -> list[httpx.Response]:
            client, until = clients[number % 2], time.monotonic() + 3
            answers = []
            while time.monotonic() < until:
                answers.append(client.get(PATH))
            return answers

        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            answers = [answer for part in pool.map(hammer, range(8)) for answer in part]
        seconds = time.monotonic() - began
        for client in clients:
            client.close()

    through = sum(answer.status_code == 200 for answer in answers)
    assert {answer.status_code for answer in answers} == {200, 429}
    assert through <= rate * (seconds + 1.25)
    assert through + 2 <= quota
    assert through >= rate  # it is a limit, not a wall


def test_refusal_tells_how_long_to_wait(store: Store) -> None:
    token = make_token(store, rate=2)

    with history_api(store, START_MS, access=REQUIRED) as api:
        answers = [httpx.get(f"{api}{PATH}", headers=bearer(token), timeout=60) for _ in range(4)]

    refused = [answer for answer in answers if answer.status_code == 429]
    assert [answer.headers["X-RateLimit-Limit"] for answer in answers] == ["2"] * 4
    assert {answer.headers["X-RateLimit-Window"] for answer in answers} == {"second"}
    for answer in refused:
        assert answer.json()["error"] == "TooManyRequests"
        assert answer.headers["X-RateLimit-Remaining"] == "0"
        assert int(answer.headers["Retry-After"]) >= 1


def test_used_up_quota_waits_for_the_next_month(store: Store) -> None:
    token = make_token(store, quota=5)

    with (
        history_api(store, START_MS, access=REQUIRED) as api,
        httpx.Client(base_url=api, headers=bearer(token), timeout=60) as client,
    ):
        answers = [client.get(PATH) for _ in range(7)]
        binances = client.get("/api/v3/exchangeInfo")
        whoami = client.get("/v1/session")

    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert [int(one.headers["X-RateLimit-Remaining"]) for one in answers[:5]] == [4, 3, 2, 1, 0]
    assert int(answers[-1].headers["X-RateLimit-Reset"]) > 0
    assert (binances.status_code, binances.json()["code"]) == (429, -1003)
    assert whoami.json()["usage"][0]["month_used"] == 5  # asking that is not counted


def test_what_is_taken_ahead_and_not_used_is_given_back(store: Store) -> None:
    token = make_token(store, quota=1_000)

    with (
        history_api(store, START_MS, access=REQUIRED) as api,
        httpx.Client(base_url=api, headers=bearer(token), timeout=60) as client,
    ):
        for _ in range(30):
            assert client.get(PATH).status_code == 200

    with store.read() as connection:  # the server has ended
        usage = read_usage(connection, f"token:{token.public_id}")
    assert usage is not None
    assert usage.used == 30


def test_tokens_without_limits_are_counted_too(store: Store) -> None:
    token = make_token(store)

    with (
        history_api(store, START_MS, access=REQUIRED) as api,
        httpx.Client(base_url=api, headers=bearer(token), timeout=60) as client,
    ):
        answers = [client.get(PATH) for _ in range(20)]

    with store.read() as connection:
        usage = read_usage(connection, f"token:{token.public_id}")
    assert usage is not None
    assert usage.used == 20
    assert not any("X-RateLimit-Limit" in answer.headers for answer in answers)
