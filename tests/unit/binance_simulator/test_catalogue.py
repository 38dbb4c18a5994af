from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from binance_simulator.catalogue import ArchiveFile, Catalogue, parse_file, plan_segments, scan
from market.errors import InvalidParameter
from market.interval import DAY_MS, Interval
from market.times import parse_time_ms


def named(name: str) -> ArchiveFile:
    file = parse_file(Path("somewhere", name))
    assert file is not None
    return file


def test_parse_file_reads_months_days_and_the_calendar_month() -> None:
    month = named("BTCUSDT-1m-2024-02.zip")
    day = named("BTCUSDT-1h-2024-02-29.zip")
    calendar = named("1INCHUSDT-1mo-2023-12.zip")

    assert (month.interval, month.is_daily) == (Interval.M1, False)
    assert month.start_ms == parse_time_ms("start", "2024-02-01")
    assert month.end_ms == parse_time_ms("end", "2024-03-01")
    assert (day.start_ms, day.end_ms - day.start_ms) == (
        parse_time_ms("start", "2024-02-29"),
        DAY_MS,
    )
    assert calendar.interval is Interval.MO1
    assert calendar.key == "data/spot/monthly/klines/1INCHUSDT/1mo/1INCHUSDT-1mo-2023-12.zip"
    assert day.key == "data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2024-02-29.zip"


@pytest.mark.parametrize(
    "name",
    [
        "BTCUSDT-1h-2024-02-30.zip",
        "BTCUSDT-1h-2024-13.zip",
        "BTCUSDT-7m-2024-01.zip",
        "BTCUSDT-1M-2024-01.zip",
        "BTCUSDT-1h-2024-01.zip.CHECKSUM",
        "BTCUSDT-1h-2024-01.csv",
        "btcusdt-1h-2024-01.zip",
        "BTCUSDT-aggTrades-2024-01.zip",
    ],
)
def test_parse_file_leaves_other_names_alone(name: str) -> None:
    assert parse_file(Path(name)) is None


@settings(deadline=None, max_examples=50)
@given(
    months=st.sets(st.integers(1, 6)),
    days=st.sets(st.integers(0, 180)),
)
def test_plan_segments_gives_each_moment_to_one_file_daily_first(
    months: set[int], days: set[int]
) -> None:
    origin_ms = parse_time_ms("origin", "2024-01-01")
    files = [named(f"BTCUSDT-1h-2024-{month:02d}.zip") for month in months]
    daily = [origin_ms + number * DAY_MS for number in days]
    files += [
        ArchiveFile(start_ms, start_ms + DAY_MS, "BTCUSDT", Interval.H1, Path("x"), is_daily=True)
        for start_ms in daily
    ]

    segments = plan_segments(files)

    answering = {
        start_ms: segment.file
        for segment in segments
        for start_ms in range(segment.start_ms, segment.end_ms, DAY_MS)
    }
    assert sum(s.end_ms - s.start_ms for s in segments) == len(answering) * DAY_MS
    for number in range(182):
        start_ms = origin_ms + number * DAY_MS
        covering = [file for file in files if file.start_ms <= start_ms < file.end_ms]
        best = max(covering, key=lambda file: file.is_daily, default=None)
        found = answering.get(start_ms)
        assert (found is None) == (best is None)
        assert found is None or (found.is_daily == best.is_daily and found in covering)


def test_catalogue_takes_the_first_folder_where_two_hold_one_name() -> None:
    first, second = parse_file(Path("a/X1-1h-2024-01.zip")), parse_file(Path("b/X1-1h-2024-01.zip"))
    assert first is not None
    assert second is not None

    catalogue = Catalogue([first, second])

    assert list(catalogue.by_key.values()) == [first]


def test_covers_only_time_without_a_hole() -> None:
    catalogue = Catalogue([named("X1-1h-2024-01.zip"), named("X1-1h-2024-02-02.zip")])
    month_end_ms = parse_time_ms("end", "2024-02-01")

    assert catalogue.covers("X1", Interval.H1, month_end_ms - DAY_MS, month_end_ms)
    assert not catalogue.covers("X1", Interval.H1, month_end_ms - DAY_MS, month_end_ms + DAY_MS)
    assert not catalogue.covers("X1", Interval.D1, month_end_ms - DAY_MS, month_end_ms)


def test_scan_refuses_a_folder_without_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="SYMBOL-INTERVAL-YYYY-MM"):
        scan([tmp_path])
    with pytest.raises(InvalidParameter, match="a folder"):
        scan([tmp_path / "absent"])
