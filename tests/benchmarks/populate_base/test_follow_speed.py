"""How soon a thousand klines that close in the same second are in the store.

Run with `pytest -m benchmark -s tests/benchmarks/populate_base/test_follow_speed.py`. Prints,
for each close, the time from the last message sent to half, 99 % and all of them committed,
seen from another connection; the peak memory of `populate-base follow`; and, as a baseline,
what one transaction of the same rows takes alone.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from market.interval import MINUTE_MS, Interval
from market.store import Store, open_store
from market.store import tables as t
from market.store.closed_klines import Arrival, write_closed
from market.store.schema import migrate
from market.store.symbols import find_series
from support.busy_exchange import START_MS, make_kline, symbol_name
from support.databases import fresh_database
from support.ports import free_port
from support.processes import running, wait_until
from support.simulator import find_program

SYMBOLS = 1000
CLOSES = 5
#: A minute of the exchange in the machine's seconds: 1,000 closes in each, and 500 open
#: klines in every second as Binance sends them.
MINUTE_S = 15.0
HISTORY = 3


@contextmanager
def _database(request: pytest.FixtureRequest, engine: str, folder: Path) -> Iterator[str]:
    if engine == "sqlite":
        yield f"sqlite:///{folder / 'store.db'}"
        return
    with fresh_database(request.getfixturevalue(f"{engine}_server")) as url:
        yield url


def _count(store: Store, open_ms: int) -> int:
    query = select(func.count()).where(t.watermarks.c.open_time_ms >= open_ms)
    with store.read() as connection:
        return int(connection.execute(query).scalar_one())


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def _peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _watch(store: Store, exchange_log: Path) -> list[tuple[float, float, float]]:
    """Return, for each close, the seconds to half, 99 % and all committed."""
    found = []
    seen = len(exchange_log.read_text().splitlines())
    for number in range(CLOSES):
        wait_until(
            lambda number=number: len(exchange_log.read_text().splitlines()) > seen + number,
            "a close",
            limit_s=4 * MINUTE_S,
        )
        open_ms, sent_s = exchange_log.read_text().splitlines()[seen + number].split()
        reached: list[float] = []
        for share in (0.5, 0.99, 1.0):
            while _count(store, int(open_ms)) < SYMBOLS * share:
                assert time.time() < float(sent_s) + 2 * MINUTE_S, "klines are lost"
                time.sleep(0.01)
            reached.append(time.time() - float(sent_s))
        found.append((reached[0], reached[1], reached[2]))
    return found


def _baseline_s(store: Store) -> float:
    """Return how long one transaction of a thousand klines takes with nothing else to do."""
    with store.read() as connection:
        all_series = [find_series(connection, symbol_name(i), Interval.M1) for i in range(SYMBOLS)]
        query = select(func.max(t.watermarks.c.open_time_ms))
        last_ms = int(connection.execute(query).scalar_one())
    arrivals = [
        Arrival(series, [make_kline(index, last_ms + MINUTE_MS)], "baseline", last_ms)
        for index, series in enumerate(all_series)
    ]
    started_s = time.perf_counter()
    assert len(write_closed(store, arrivals, announce_newest=1)) == SYMBOLS
    return time.perf_counter() - started_s


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", ["sqlite", "mysql"])
def test_following_a_thousand_streams(
    request: pytest.FixtureRequest, engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, health = free_port(), free_port()
    exchange_log, follow_log = tmp_path / "exchange.log", tmp_path / "follow.log"
    exchange = [sys.executable, "-m", "support.busy_exchange", "--port", str(port)]
    exchange += ["--symbols", str(SYMBOLS), "--speed", str(60 / MINUTE_S)]
    with _database(request, engine, tmp_path) as url:
        store = open_store(url)
        migrate(store)
        environment = {
            "KLINECAST_STORE_URL": url,
            "KLINECAST_BINANCE_REST_URL": f"http://127.0.0.1:{port}",
            "KLINECAST_BINANCE_ARCHIVE_URL": f"http://127.0.0.1:{port}",
            "KLINECAST_BINANCE_STREAM_URL": f"ws://127.0.0.1:{port}",
            "KLINECAST_SYMBOLS": ",".join(symbol_name(i) for i in range(SYMBOLS)),
            "KLINECAST_INTERVALS": "1m",
            "POPULATE_SINCE": str(START_MS),
            "POPULATE_PORT": str(health),
            "POPULATE_STATE_DIR": str(tmp_path / "state"),
        }
        python_path = {"PYTHONPATH": str(Path(__file__).parents[2])}
        with (
            running([*exchange, "--history", str(HISTORY)], exchange_log, environment=python_path),
            running(
                [find_program("populate-base"), "follow"], follow_log, environment=environment
            ) as follow,
        ):
            wait_until(
                lambda: _is_ready(f"http://127.0.0.1:{health}"),
                "ready",
                process=follow,
                log=follow_log,
                limit_s=900,
            )
            found = _watch(store, exchange_log)
            peak = _peak_mib(follow.pid)
        baseline_s = _baseline_s(store)
        with store.read() as connection:
            k = t.klines.c
            stored = connection.execute(
                select(
                    k.symbol_id, func.count(), func.min(k.open_time_ms), func.max(k.open_time_ms)
                ).group_by(k.symbol_id)
            ).all()
        store.close()

    assert len(stored) == SYMBOLS
    assert all((row[3] - row[2]) // MINUTE_MS + 1 == row[1] for row in stored), "klines are lost"
    with capsys.disabled():
        for name, index in (("p50", 0), ("p99", 1), ("all", 2)):
            each = [one[index] for one in found]
            print(  # noqa: T201  the result of a benchmark
                f"\n{engine} {name}: median {statistics.median(each):.3f} s, worst"
                f" {max(each):.3f} s of {len(each)} closes of {SYMBOLS} klines"
            )
        print(  # noqa: T201
            f"{engine}: peak RSS {peak:.0f} MiB; one such transaction alone {baseline_s:.3f} s;"
            f" load average {os.getloadavg()[0]:.1f}"
        )
