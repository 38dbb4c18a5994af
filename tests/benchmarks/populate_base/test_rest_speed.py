"""How fast REST is paged through on the loopback, with the weight budget lifted.

Run with `pytest -m benchmark -s tests/benchmarks/populate_base/test_rest_speed.py`. In turn and
in one run: python-binance's own call alone (the baseline), the same with its JSON decoded by
orjson, our paging with every row checked and every request's weight reserved in the store,
and that with the pages written into the store as well.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from binance.client import Client

from market.clock import ExchangeClock
from market.gaps import Range
from market.interval import MINUTE_MS, Interval
from market.store import Store, open_store
from market.store.klines import Batch, Source, write_klines
from market.store.schema import migrate
from market.wire_clock import WireClock
from populate_base.exchange import Exchange
from populate_base.rest_client import RestClient
from populate_base.weight import WeightBudget
from support.archive import write_archive_months
from support.databases import fresh_database
from support.klines import START_MS, make_klines
from support.simulator import Simulator, run_simulator
from support.stores import add_series

PAGES = 100
ROWS = PAGES * 1000
ROUNDS = 3
SPAN = Range(START_MS, START_MS + ROWS * MINUTE_MS)
LIMIT = 1_000_000_000


@contextmanager
def _database(request: pytest.FixtureRequest, engine: str, folder: Path) -> Iterator[str]:
    if engine == "sqlite":
        yield f"sqlite:///{folder / 'store.db'}"
        return
    with fresh_database(request.getfixturevalue(f"{engine}_server")) as url:
        yield url


def _page_with(get_klines: Callable[..., list[list[object]]]) -> int:
    rows, start_ms = 0, SPAN.start_ms
    while start_ms < SPAN.end_ms:
        page = get_klines(
            symbol="BTCUSDT",
            interval="1m",
            startTime=start_ms,
            endTime=SPAN.end_ms - 1,
            limit=1000,
        )
        if not page:
            break
        rows += len(page)
        start_ms = int(str(page[-1][0])) + 1
    return rows


def _ways(
    simulator: Simulator, store: Store, exchange: Exchange, quick: RestClient
) -> dict[str, Callable[[], int]]:
    series = add_series(store, "BTCUSDT", Interval.M1)

    def ask_plainly(client: Client) -> int:
        client._handle_response = Client._handle_response
        try:
            return _page_with(client.get_klines)
        finally:
            del client._handle_response

    def page() -> int:
        pages = exchange.iter_klines("BTCUSDT", Interval.M1, SPAN)
        return sum(len(klines) for _, klines in pages)

    def page_and_store() -> int:
        with store.begin() as connection:
            connection.exec_driver_sql("DELETE FROM klines")
        rows = 0
        for url, klines in exchange.iter_klines("BTCUSDT", Interval.M1, SPAN):
            write_klines(store, series, klines, Batch(Source.REST, url, 1))
            rows += len(klines)
        return rows

    return {
        "python-binance alone": lambda: quick.ask(simulator.url, ask_plainly),
        "the same, orjson": lambda: quick.ask(
            simulator.url, lambda client: _page_with(client.get_klines)
        ),
        "paging, checked, reserved": page,
        "... and stored": page_and_store,
    }


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", ["sqlite", "mysql"])
def test_paging(
    request: pytest.FixtureRequest, engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    klines = make_klines(Interval.M1, ROWS)
    write_archive_months(tmp_path / "archive", "BTCUSDT", "1m", klines)
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(f"[limits]\nweight = {LIMIT}\nraw_requests = {LIMIT}\n")
    options = ["--speed", "0", "--scenario", str(scenario)]
    seconds: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    with (
        run_simulator(tmp_path / "archive", tmp_path / "log", options) as simulator,
        _database(request, engine, tmp_path) as url,
    ):
        store = open_store(url)
        migrate(store)
        budget = WeightBudget(store, WireClock(), share=1.0)
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "limit": LIMIT}
        budget.read_limit([limit])
        exchange = Exchange([simulator.url], ExchangeClock(), budget)
        quick = RestClient()
        ways = _ways(simulator, store, exchange, quick)
        for _ in range(ROUNDS):
            for name, way in ways.items():
                started_s, cpu_s = time.perf_counter(), time.process_time()
                assert way() == ROWS
                seconds.setdefault(name, []).append(time.perf_counter() - started_s)
                cpu.setdefault(name, []).append(time.process_time() - cpu_s)
        quick.close()
        exchange.close()
        store.close()

    with capsys.disabled():
        for name, each in seconds.items():
            rates = [ROWS / one for one in each]
            print(  # noqa: T201  the result of a benchmark
                f"\n{engine} {name}: median {statistics.median(rates):,.0f} klines/s"
                f" (best {max(rates):,.0f}; {ROWS:,} klines in {PAGES} pages, n={ROUNDS}),"
                f" {statistics.median(cpu[name]):.2f} s of this process's CPU",
                end="",
            )
        print(f"\nload average {os.getloadavg()[0]:.1f}")  # noqa: T201
