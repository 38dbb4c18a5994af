"""Binance's own daily zips go in as they are: outages, a truncated day, a listing day."""

from __future__ import annotations

import os
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from market.gaps import Cause, Gap, Range, merge_ranges
from market.interval import DAY_MS, Interval
from market.kline import Kline
from market.store import Store
from market.store.symbols import Series
from market.times import format_time, parse_time_ms
from populate_base.backfill import Backfill, Pace, Sources
from populate_base.plan import COSTS
from populate_base.progress import LoggedProgress
from support.archive_reference import read_zip
from support.populator import (
    batches_of,
    ledger_of,
    opened_sources,
    opened_store,
    register,
    stored_klines,
)
from support.simulator import run_simulator
from support.stores import rows

#: What the days lack, and why: (symbol, interval, first missing, first present, cause).
LACKING = [
    ("ARBUSDT", "1h", "2023-07-27T03:00", "2023-07-28T00:00", Cause.SOURCE_MISSING),
    ("ARBUSDT", "1m", "2023-03-23T00:00", "2023-03-23T15:00", Cause.NOT_LISTED),
    ("ARBUSDT", "1m", "2023-03-24T12:40", "2023-03-24T14:00", Cause.OUTAGE),
    ("ARBUSDT", "1m", "2023-07-27T03:50", "2023-07-28T00:00", Cause.SOURCE_MISSING),
    *(
        (symbol, interval, f"2023-03-24T{first}", "2023-03-24T14:00", Cause.OUTAGE)
        for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")
        for interval, first in (("15m", "12:45"), ("1h", "13:00"), ("1m", "12:40"))
    ),
    ("SOLUSDT", "1m", "2023-02-14T16:39", "2023-02-14T16:40", Cause.SOURCE_MISSING),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorded daily files, unpacked."""
    data = os.environ.get("KLINECAST_TEST_DATA")
    if not data:
        pytest.skip("recorded klines: KLINECAST_TEST_DATA is not set")
    folder = tmp_path_factory.mktemp("days")
    for path in sorted((Path(data) / "archive_daily_zips").glob("*.tar")):
        with tarfile.open(path) as tar:
            tar.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def recorded(folder: Path) -> Iterator[Sources]:
    """A simulator that serves the recorded files."""
    with (
        run_simulator(folder, folder / "log", ["--speed", "0"]) as simulator,
        opened_store(f"sqlite:///{folder / 'weight.db'}") as store,
        opened_sources(simulator.url, simulator.url, store) as sources,
    ):
        yield sources


def days_of(folder: Path) -> dict[tuple[str, Interval], dict[int, Path]]:
    """Return the files of each series by the day they are for."""
    found: defaultdict[tuple[str, Interval], dict[int, Path]] = defaultdict(dict)
    for path in sorted(folder.glob("data/spot/daily/klines/*/*/*.zip")):
        symbol, interval, date = path.stem.split("-", 2)
        found[symbol, Interval.parse(interval)][parse_time_ms("date", date)] = path
    return found


def bring(store: Store, sources: Sources, folder: Path) -> dict[Series, list[Range]]:
    """Backfill the days of every series, by files even where a page would do."""
    pace = Pace(2, costs=COSTS._replace(weight_ms=1_000_000))
    backfill = Backfill(store, sources, LoggedProgress(), pace)
    now_ms = sources.exchange.fetch_time_ms()
    brought = {}
    for (symbol, interval), days in days_of(folder).items():
        series = register(store, sources, interval, symbol)
        spans = merge_ranges(Range(day, day + DAY_MS) for day in days if day + DAY_MS <= now_ms)
        for span in spans:
            backfill.run(series, *span)
        brought[series] = spans
    return brought


def check(store: Store, folder: Path, brought: dict[Series, list[Range]]) -> None:
    expected_batches = Counter[str]()
    lacking = []
    for (series, spans), days in zip(brought.items(), days_of(folder).values(), strict=True):
        klines: list[Kline] = []
        for day, path in sorted(days.items()):
            if any(span.start_ms <= day < span.end_ms for span in spans):
                klines += read_zip(path.read_bytes(), day, day + DAY_MS)
                expected_batches["archive_daily"] += 1
        assert stored_klines(store, series) == klines
        gaps = ledger_of(store, series)[0]
        lacking += [
            (series.symbol, series.interval.value, at(gap.start_ms), at(gap.end_ms), gap.cause)
            for gap in gaps
            if is_within(gap, spans)
        ]
    assert sorted(lacking) == sorted(LACKING)
    assert Counter(source for source, _, _ in batches_of(store)) == expected_batches
    assert rows(store, "SELECT * FROM kline_revisions") == []


def at(time_ms: int) -> str:
    return format_time(time_ms)[: len("YYYY-MM-DDTHH:MM")]


def is_within(gap: Gap, spans: list[Range]) -> bool:
    return any(span.start_ms <= gap.start_ms and gap.end_ms <= span.end_ms for span in spans)


def test_every_recorded_day_is_stored_exactly(
    store: Store, recorded: Sources, folder: Path
) -> None:
    check(store, folder, bring(store, recorded, folder))


@pytest.mark.timeout(900)
def test_every_recorded_day_is_stored_exactly_in_mysql(
    mysql_url: str, recorded: Sources, folder: Path
) -> None:
    with opened_store(mysql_url) as store:
        check(store, folder, bring(store, recorded, folder))
