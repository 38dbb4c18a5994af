"""The database goes and comes back, or has no connection left: the API says so, and goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from market.interval import HOUR_MS, Interval
from market.store import open_store
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines
from support.own_database import OwnDatabase, own_database
from support.processes import wait_until
from support.servers import NotHere

KLINES = make_klines(Interval.H1, 500)
NOW_MS = START_MS + 500 * HOUR_MS
SERIES = "symbol=BTCUSDT&interval=1h"
CALLS = (
    f"/v1/klines?{SERIES}",
    f"/v1/klines?{SERIES}&format=csv",
    f"/v1/klines/latest?{SERIES}&limit=100",
    f"/api/v3/klines?{SERIES}",
    "/api/v3/ticker/price",
    "/v1/symbols",
)


@pytest.fixture
def database() -> Iterator[OwnDatabase]:
    """A database server of this test alone."""
    with ExitStack() as stack:
        try:
            database = stack.enter_context(own_database())
        except NotHere as error:
            pytest.skip(f"neither MySQL nor MariaDB is installed here: {error}")
        yield database


class Load:
    """Clients that never stop asking; notes what they were answered."""

    def __init__(self, api: str, clients: int) -> None:
        self.answers: list[httpx.Response] = []
        self.failures: list[Exception] = []
        self._api = api
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        with httpx.Client(base_url=self._api, timeout=120) as client:
            while not self._stop.is_set():
                try:
                    self.answers.append(client.get(CALLS[number % len(CALLS)]))
                except httpx.HTTPError as error:
                    self.failures.append(error)
                number += 1
                self._stop.wait(0.02)

    def has(self, status: int, *, after: int) -> bool:
        """Tell whether each call was answered with a status since the so-manieth answer."""
        paths = {a.url.path for a in self.answers[after:] if a.status_code == status}
        return paths == {httpx.URL(call).path for call in CALLS}


@pytest.mark.timeout(600)
def test_database_that_restarts_under_load_is_waited_for(database: OwnDatabase) -> None:
    store = new_store(database.url)
    add_series(store, "BTCUSDT", Interval.H1, KLINES)
    with history_api(store, NOW_MS) as api, Load(api, 4) as load:
        wait_until(lambda: load.has(200, after=0), "answers", limit_s=120)

        database.crash()
        gone = len(load.answers)
        wait_until(lambda: load.has(503, after=gone), "each call refused", limit_s=120)
        ready = httpx.get(f"{api}/readyz", timeout=60)
        alive = httpx.get(f"{api}/healthz", timeout=60)

        database.start()
        wait_until(lambda: is_ready(api), "readiness", limit_s=120)
        back = len(load.answers)
        wait_until(lambda: load.has(200, after=back), "answers again", limit_s=120)
        settled = len(load.answers)
        wait_until(lambda: len(load.answers) > settled + 40, "more answers", limit_s=120)

    assert (ready.status_code, ready.json()["ready"], alive.status_code) == (503, False, 200)
    assert "does not answer" in ready.json()["checks"]["store"]
    assert {answer.status_code for answer in load.answers} == {200, 503}
    assert {answer.status_code for answer in load.answers[settled:]} == {200}
    for answer in load.answers:
        assert_refusal(answer)
    # Only an answer that was on its way when the database went may break off.
    assert len(load.failures) <= 4


def is_ready(api: str) -> bool:
    return httpx.get(f"{api}/readyz", timeout=60).status_code == 200


def assert_refusal(answer: httpx.Response) -> None:
    if answer.status_code == 200:
        return
    assert int(answer.headers["Retry-After"]) > 0
    body = answer.json()
    if answer.url.path.startswith("/api/v3"):
        assert body["code"] == -1001
    else:
        assert body["error"] == "StoreUnavailable"
    assert "market:market" not in answer.text


def test_pool_without_a_connection_left_refuses_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    add_series(new_store(url), "BTCUSDT", Interval.H1, KLINES)
    store = open_store(url, pool_size=1)
    pool = store.engine.pool
    monkeypatch.setattr(pool, "_max_overflow", 0)
    monkeypatch.setattr(pool, "_timeout", 0.2)

    with history_api(store, NOW_MS) as api:
        with store.read():
            refused = [httpx.get(f"{api}{call}", timeout=60) for call in CALLS]
            alive = httpx.get(f"{api}/healthz", timeout=60)
        answered = [httpx.get(f"{api}{call}", timeout=60) for call in CALLS]

    assert [answer.status_code for answer in refused] == [503] * len(CALLS)
    for answer in refused:
        assert_refusal(answer)
    assert alive.status_code == 200
    assert [answer.status_code for answer in answered] == [200] * len(CALLS)
