"""How fast klines leave the API, beside the raw driver read and the ordinary way.

All in one run, on MySQL, over real sockets; the API is a process of its own. Nothing is
asserted of the clock: the printed figures are read by people, with the load beside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from api_historic.segments.builder import build_month
from api_historic.segments.folder import SegmentFolder
from market.interval import DAY_MS, MINUTE_MS
from market.store import Store
from market.store.kline_months import iter_months, month_of
from market.store.symbols import Series
from support.databases import connect, fresh_database
from support.history_api import new_store
from support.history_process import serving
from support.kline_benchmark import (
    FIRST_MS,
    Line,
    PeakMemory,
    Wire,
    fill,
    median,
    naive_api,
    read_raw,
    show,
    swarm,
    timed,
)

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3_600)]

ROWS = 5_000_000
LONG = 1_000_000
PAGE = 1_000
ROUNDS = 5
SERIES = "symbol=BTCUSDT&interval=1m"
#: More than all segments take.
SEGMENTS_MB = "8192"


class World(NamedTuple):
    """The store, its URL, a driver's connection to it, and the folder its segments are in."""

    store: Store
    url: str
    driver: Any
    series: Series
    segments: Path


@pytest.fixture(scope="module")
def world(mysql_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Five million minutes on MySQL, and the segments of all their closed months."""
    with fresh_database(mysql_server) as url:
        store = new_store(url)
        series = fill(store, ROWS)
        folder = tmp_path_factory.mktemp("segments")
        keeper = SegmentFolder(folder, int(SEGMENTS_MB) << 20)
        for month_ms in iter_months(FIRST_MS, FIRST_MS + ROWS * MINUTE_MS - 40 * DAY_MS):
            build_month(store, keeper, series, month_of(month_ms))
        driver = connect(url)
        yield World(store, url, driver, series, folder)
        driver.close()
        store.close()


@pytest.fixture
def api(world: World, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """The API without segments, one worker: its address and process."""
    environment = {"KLINECAST_STORE_URL": world.url, "HISTORY_SEGMENTS_MB": "0"}
    with serving(tmp_path / "log", **environment) as (url, process):
        yield url, process.pid


@pytest.fixture(params=["1"])
def closed_api(
    world: World, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[str, int]]:
    """The API with the segments of every closed month: its address and process."""
    with serving(
        tmp_path / "log",
        KLINECAST_STORE_URL=world.url,
        HISTORY_SEGMENTS_DIR=str(world.segments),
        HISTORY_SEGMENTS_MB=SEGMENTS_MB,
        HISTORY_WORKERS=request.param,
    ) as (url, process):
        yield url, process.pid


def page_start(number: int) -> int:
    return FIRST_MS + number * PAGE * MINUTE_MS


def pages(wire: Wire, path: str, rounds: int = 200) -> list[float]:
    """Return the seconds of pages, each of other klines."""
    numbers = iter(range(rounds + 1))
    return timed(lambda: wire.get(path.format(page_start(next(numbers)))), rounds)


def test_pages_of_1000(
    world: World, api: tuple[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    raw = median(timed(lambda: read_raw(world.driver, FIRST_MS, PAGE), 30))
    with naive_api(world.store) as naive_url:
        wire = Wire(naive_url)
        baseline = median(pages(wire, f"/klines?limit={PAGE}&start={{}}", 30))
        wire.close()
    wire = Wire(api[0])
    for path in (
        f"/api/v3/klines?{SERIES}&limit={PAGE}&startTime={{}}",
        f"/v1/klines?{SERIES}&limit={PAGE}&start={{}}",
    ):
        p50 = median(pages(wire, path))
        line = Line(path.partition("?")[0], PAGE / p50, PAGE / raw, PAGE / baseline)
        show(capsys, f"{line}; p50 {p50 * 1e3:.2f} ms, baseline {baseline * 1e3:.1f} ms")
    wire.close()


def long_range(wire: Wire, query: str, rows: int) -> float:
    """Return how many klines a second a long answer has."""
    return rows / median(timed(lambda: wire.get(f"/v1/klines?{SERIES}&{query}"), ROUNDS))


def long_pages(wire: Wire, rows: int) -> float:
    """Return how many klines a second JSON pages of 100,000 have."""

    def read() -> None:
        for start in range(FIRST_MS, FIRST_MS + rows * MINUTE_MS, 100_000 * MINUTE_MS):
            wire.get(f"/v1/klines?{SERIES}&start={start}&limit=100000")

    return rows / median(timed(read, ROUNDS))


def test_long_range_from_mysql(
    world: World, api: tuple[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    raw = LONG / median(timed(lambda: read_raw(world.driver, FIRST_MS, LONG), ROUNDS))
    with naive_api(world.store) as naive_url:
        wire = Wire(naive_url)
        seconds = timed(lambda: wire.get(f"/klines?start={FIRST_MS}&limit=50000"), 2)
        baseline = 50_000 / median(seconds)
        wire.close()
    wire = Wire(api[0])
    end_ms = FIRST_MS + LONG * MINUTE_MS
    show(capsys, Line("JSON from MySQL, pages", long_pages(wire, LONG), raw, baseline))
    for form in ("ndjson", "csv", "arrow", "parquet"):
        with PeakMemory(api[1]) as peak:
            rate = long_range(wire, f"start={FIRST_MS}&end={end_ms}&format={form}", LONG)
        note = f"peak {peak.bytes >> 20} MB"
        show(capsys, Line(f"{form} from MySQL", rate, raw, baseline, note))
    wire.close()


def test_long_range_from_closed_months(
    world: World, closed_api: tuple[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    raw = LONG / median(timed(lambda: read_raw(world.driver, FIRST_MS, LONG), 2))
    wire = Wire(closed_api[0])
    end_ms = FIRST_MS + LONG * MINUTE_MS
    show(capsys, Line("JSON from closed months, pages", long_pages(wire, LONG), raw))
    for form in ("arrow", "csv", "ndjson", "parquet"):
        with PeakMemory(closed_api[1]) as peak:
            rate = long_range(wire, f"start={FIRST_MS}&end={end_ms}&format={form}", LONG)
        show(capsys, Line(f"{form} from closed months", rate, raw, None, f"{peak.bytes >> 20} MB"))
    wire.close()


@pytest.mark.parametrize("form", ["arrow", "ndjson"])
def test_memory_of_five_million(
    closed_api: tuple[str, int], api: tuple[str, int], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, (url, pid) in (("closed months", closed_api), ("MySQL", api)):
        wire = Wire(url)
        with PeakMemory(pid) as peak:
            seconds = timed(lambda w=wire: w.get(f"/v1/klines?{SERIES}&format={form}"), 1)  # type: ignore[misc]
        wire.close()
        rate = ROWS / median(seconds)
        show(capsys, Line(f"5 million as {form} from {name}", rate, note=f"{peak.bytes >> 20} MB"))
        assert peak.bytes <= 200 << 20


@pytest.mark.parametrize("closed_api", ["2"], indirect=True)
def test_32_clients(closed_api: tuple[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    for path in (
        f"/api/v3/klines?{SERIES}&limit={PAGE}&startTime={{}}",
        f"/v1/klines?{SERIES}&limit={PAGE}&start={{}}",
    ):
        paths = [path.format(page_start(number)) for number in range(1_000)]
        swarm(closed_api[0], paths, 32, 10)
        seconds = sorted(swarm(closed_api[0], paths, 32, 200))
        # Each client asks one request after the other.
        rate = 32 / (sum(seconds) / len(seconds))
        p50, p99 = (seconds[math.ceil(len(seconds) * part) - 1] for part in (0.5, 0.99))
        show(
            capsys,
            f"32 clients, 2 workers, {path.partition('?')[0]}: {rate:,.0f} requests/s,"
            f" p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, {p99 / p50:.1f}x, no error",
        )
