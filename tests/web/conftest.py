"""A real Chromium before the real history API, over stores seeded for the occasion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from market.times import format_time
from support.browser import running_chromium
from support.ports import free_port
from support.processes import running, wait_until
from support.seed import NOW_MS, SAMPLE, seed_market
from support.simulator import find_program, run_simulator

ROOT = Path(__file__).parents[2]
#: Starts an exchange whose clock stands at `now_ms` and runs `speed` times as fast.
RunExchange = Callable[..., AbstractContextManager[str]]
#: Starts the history API over a store, beside an exchange.
RunHistory = Callable[..., AbstractContextManager[str]]


class Visit(NamedTuple):
    """An open page and what its console complained of since it was opened."""

    page: Page
    complaints: list[str]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests, which run last; each test gets its own profile in it."""
    with running_chromium() as chromium:
        yield chromium


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens an address in a fresh profile; options are those of Playwright's contexts."""
    contexts = []

    def open_(address: str, **options: object) -> Visit:
        defaults = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
        context = browser.new_context(**defaults | options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        visit = Visit(context.new_page(), [])
        visit.page.on("console", lambda message: _note(visit.complaints, message))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.goto(address)
        return visit

    yield open_
    for context in contexts:
        context.close()


def _note(complaints: list[str], message: ConsoleMessage) -> None:
    # A network interface that comes or goes on this machine fails what is being loaded; the
    # page then loads again by itself.
    is_ours = "ERR_NETWORK_CHANGED" not in message.text
    if message.type in ("error", "warning") and is_ours:
        complaints.append(message.text)


@pytest.fixture(scope="session")
def run_exchange(tmp_path_factory: pytest.TempPathFactory) -> RunExchange:
    """A context manager that runs the simulator over the bundled sample; yields its URL."""

    @contextmanager
    def run(*, now_ms: int = NOW_MS, speed: int = 1) -> Iterator[str]:
        log = tmp_path_factory.mktemp("exchange") / "simulator.log"
        options = ["--now", format_time(now_ms), "--speed", str(speed)]
        with run_simulator(SAMPLE, log, options) as simulator:
            yield simulator.url

    return run


@pytest.fixture(scope="session")
def run_history(tmp_path_factory: pytest.TempPathFactory) -> RunHistory:
    """A context manager that serves a store with the page; yields the address."""

    @contextmanager
    def run(
        store_url: str, exchange_url: str, *, demo: bool = False, port: int | None = None
    ) -> Iterator[str]:
        log = tmp_path_factory.mktemp("history") / "history.log"
        url = f"http://127.0.0.1:{port or free_port()}"
        environment = {
            "KLINECAST_STORE_URL": store_url,
            "KLINECAST_BINANCE_REST_URL": exchange_url,
            "KLINECAST_DEMO": str(demo).lower(),
            "HISTORY_WEB_DIR": str(ROOT / "web"),
        }
        command = [find_program("klinecast-history"), "serve", "--port", url.rpartition(":")[2]]
        with running(command, log, environment=environment) as process:
            # One client for all the asking: making one takes longer than a question.
            with httpx.Client() as client:
                knows_time = partial(_knows_time, client, url, exchange_url)
                wait_until(knows_time, "history API", process=process, log=log)
            yield url

    return run


def _knows_time(client: httpx.Client, url: str, exchange_url: str) -> bool:
    """Tell whether the API answers with the exchange's time, no longer with the machine's."""
    try:
        status = client.get(f"{url}/v1/status")
        server_ms = client.get(f"{exchange_url}/api/v3/time").json()["serverTime"]
    except httpx.HTTPError:
        return False
    return status.status_code == 200 and abs(status.json()["now_ms"] - server_ms) < 600_000


@pytest.fixture(scope="session")
def exchange(run_exchange: RunExchange) -> Iterator[str]:
    """An exchange at the seeded store's time, running as fast as ours."""
    with run_exchange() as url:
        yield url


@pytest.fixture(scope="session")
def market_url(
    run_history: RunHistory, exchange: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The page over a store with klines, forecasts and score cards; not to be changed."""
    store_url = f"sqlite:///{tmp_path_factory.mktemp('seeded') / 'store.db'}"
    seed_market(store_url).close()
    with run_history(store_url, exchange) as url:
        yield url
