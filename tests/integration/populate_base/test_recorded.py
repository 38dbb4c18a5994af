"""Recorded Binance files go in whole: outages, off-grid klines, microseconds."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from market.gaps import Cause, Gap
from market.interval import MINUTE_MS, Interval
from market.kline import Kline, is_irregular
from market.store import Store
from market.store import tables as t
from market.store.klines import read_klines
from market.store.symbols import Series
from market.times import parse_time_ms
from populate_base.backfill import Sources
from support.populator import (
    ledger_of,
    make_backfill,
    opened_sources,
    opened_store,
    register,
    stored_klines,
)
from support.simulator import run_simulator

#: Last kline before -> first after, of BTCUSDT 1m.
OUTAGES = {
    "2017-12": [
        ("2017-12-04T06:00Z", "2017-12-04T06:49Z"),
        ("2017-12-18T10:00Z", "2017-12-18T10:14Z"),
        ("2017-12-18T12:29Z", "2017-12-18T13:34Z"),
    ],
    "2018-02": [
        ("2018-02-08T00:28Z", "2018-02-09T10:00Z"),
        ("2018-02-10T05:59Z", "2018-02-10T06:15Z"),
        ("2018-02-11T04:00Z", "2018-02-11T04:35Z"),
    ],
    "2020-12": [
        ("2020-12-21T13:47Z", "2020-12-21T18:00Z"),
        ("2020-12-25T01:59Z", "2020-12-25T03:00Z"),
    ],
    "2017-08": [],
    "2021-01": [],
    "2024-12": [],
    "2025-01": [],
}
#: Where a month does not begin with its first day.
LISTED = {"2017-08": "2017-08-17T04:00Z"}


@pytest.fixture(scope="module")
def folder() -> Path:
    """The recorded monthly files."""
    data = os.environ.get("KLINECAST_TEST_DATA")
    if not data:
        pytest.skip("recorded klines: KLINECAST_TEST_DATA is not set")
    return Path(data) / "archive_monthly_1m"


@pytest.fixture(scope="module")
def recorded(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sources]:
    """A simulator that serves the recorded files."""
    own = tmp_path_factory.mktemp("recorded")
    with (
        run_simulator(folder, own / "log", ["--speed", "0"]) as simulator,
        opened_store(f"sqlite:///{own / 'weight.db'}") as store,
        opened_sources(simulator.url, simulator.url, store) as sources,
    ):
        yield sources


def rows_of(path: Path) -> list[Kline]:
    """Return a file's rows, read without the code under test."""
    with zipfile.ZipFile(path) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    rows = []
    for line in io.StringIO(text):
        fields = line.strip().split(",")
        for place in (0, 6):
            fields[place] = fields[place][:13]
        rows.append(
            Kline(
                int(fields[0]), *fields[1:6], int(fields[6]), fields[7], int(fields[8]), *fields[9:]
            )
        )  # type: ignore[arg-type]  # eight texts
    return rows


def months_around(month: str) -> tuple[int, int]:
    start_ms = parse_time_ms("time", f"{month}-01")
    return start_ms, Interval.MO1.add(start_ms, 1)


@pytest.mark.parametrize("month", OUTAGES)
def test_a_recorded_month_is_stored_exactly(
    store: Store, recorded: Sources, folder: Path, month: str
) -> None:
    series = register(store, recorded, Interval.M1)

    report = make_backfill(store, recorded).run(series, *months_around(month))

    check_month(store, series, folder, month)
    assert report.inserted == len(stored_klines(store, series))
    assert report.batches.keys() <= {"archive_monthly", "archive_daily"}
    assert (report.changed, report.warnings, report.missing) == (0, [], [])


def check_month(store: Store, series: Series, folder: Path, month: str) -> None:
    """Check that a month's klines, and the causes of what it lacks, are what was recorded."""
    start_ms, end_ms = months_around(month)
    expected = rows_of(folder / f"BTCUSDT-1m-{month}.zip")
    with store.read() as connection:
        assert read_klines(connection, series, start_ms, end_ms, 50_000) == expected
    unlisted = []
    if month in LISTED:
        unlisted = [Gap(start_ms, parse_time_ms("time", LISTED[month]), Cause.NOT_LISTED)]
    outages = [
        Gap(parse_time_ms("time", before) + MINUTE_MS, parse_time_ms("time", after), Cause.OUTAGE)
        for before, after in OUTAGES[month]
    ]
    gaps = [gap for gap in ledger_of(store, series)[0] if start_ms <= gap.start_ms < end_ms]
    within = [gap for gap in gaps if gap.end_ms <= end_ms]
    assert within == unlisted + outages


def test_off_grid_klines_are_flagged_and_kept_raw(store: Store, recorded: Sources) -> None:
    series = register(store, recorded, Interval.M1)

    make_backfill(store, recorded).run(series, *months_around("2017-12"))

    with store.read() as connection:
        query = select(func.count()).where(t.klines.c.irregular.is_(True))
        assert connection.execute(query).scalar_one() == 3


@pytest.mark.timeout(900)
def test_every_recorded_month_is_stored_exactly_in_mysql(
    mysql_url: str, recorded: Sources, folder: Path
) -> None:
    with opened_store(mysql_url) as store:
        series = register(store, recorded, Interval.M1)

        for month in sorted(OUTAGES, reverse=True):
            make_backfill(store, recorded).run(series, *months_around(month))
            check_month(store, series, folder, month)

        query = select(func.count()).where(t.klines.c.irregular.is_(True))
        with store.read() as connection:
            irregular = connection.execute(query).scalar_one()
        assert irregular == sum(
            is_irregular(kline, Interval.M1)
            for month in OUTAGES
            for kline in rows_of(folder / f"BTCUSDT-1m-{month}.zip")
        )
