"""Segments: files of closed months that equal the database, or are not used."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_historic.segments import Segment, Segments
from api_historic.segments.builder import Outcome
from api_historic.segments.month_rows import month_pages
from api_historic.segments.segment_file import read_manifest, write_segment
from market.gaps import Range
from market.interval import HOUR_MS, MINUTE_MS, Interval
from market.store import Store
from market.store.kline_months import month_of, months_of, read_closed_months
from market.store.klines import Batch, Source, write_klines
from market.store.symbols import Series
from support.history_api import add_series, new_store
from support.klines import make_klines
from support.processes import wait_until
from support.segments import PLENTY, build, check_segment, json_of, stored_in

#: January to April 2024 with a hole, klines off the grid, and unused fields that hold text.
HOURS = make_klines(Interval.H1, 24 * 100)
del HOURS[200:260]
HOURS[300] = HOURS[300]._replace(open_time_ms=HOURS[300].open_time_ms + 137)
HOURS[301] = HOURS[301]._replace(ignore='a,"b"', open="999999999999.99999999")
HOURS[302] = HOURS[302]._replace(volume="99999999999999999999.99999999", low="0.00000001")
JANUARY, FEBRUARY, MARCH, APRIL = months_of(kline.open_time_ms for kline in HOURS)
BATCH = Batch(Source.REST, "test", 1)


@pytest.fixture(params=["sqlite", "mysql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = new_store(request.getfixturevalue(f"{request.param}_url"))
    yield store
    store.close()


@pytest.fixture
def series(store: Store) -> Series:
    return add_series(store, "BTCUSDT", Interval.H1, HOURS)


def find(
    store: Store, segments: Segments, series: Series, span: tuple[int | None, int | None]
) -> list[Segment]:
    with store.read() as connection:
        return segments.find(connection, series, *span)


def test_segments_equal_the_database(store: Store, series: Series, tmp_path: Path) -> None:
    assert build(store, tmp_path, series, JANUARY, FEBRUARY, MARCH) == [Outcome.BUILT] * 3
    segments = Segments(tmp_path, PLENTY)

    found = find(store, segments, series, (None, None))

    assert [segment.month.start_ms for segment in found] == [JANUARY, FEBRUARY, MARCH]
    assert sum(check_segment(store, series, segment) for segment in found) > 2000
    assert [segment.ignores_are_zero for segment in found] == [False, True, True]
    dice = random.Random(1)
    for _ in range(50):
        start_ms = JANUARY + dice.randrange(-10, 91 * 24) * HOUR_MS + dice.randrange(3) - 1
        span = Range(start_ms, start_ms + dice.randrange(0, 40 * 24) * HOUR_MS + dice.randrange(3))
        for segment in found:
            check_segment(store, series, segment, span)


def test_a_range_finds_the_months_it_touches(store: Store, series: Series, tmp_path: Path) -> None:
    build(store, tmp_path, series, JANUARY, MARCH)
    segments = Segments(tmp_path, PLENTY)

    def months(start_ms: int | None, end_ms: int | None) -> list[int]:
        return [one.month.start_ms for one in find(store, segments, series, (start_ms, end_ms))]

    assert months(JANUARY + 1, FEBRUARY) == [JANUARY]
    assert months(FEBRUARY, MARCH) == []
    assert months(FEBRUARY, MARCH + 1) == [MARCH]
    assert months(None, FEBRUARY) == [JANUARY]
    assert months(JANUARY, None) == [JANUARY, MARCH]


def test_a_restated_month_is_not_found(store: Store, series: Series, tmp_path: Path) -> None:
    build(store, tmp_path, series, JANUARY, FEBRUARY)
    segments = Segments(tmp_path, PLENTY)
    january, february = find(store, segments, series, (None, None))

    write_klines(store, series, [HOURS[0]._replace(close="1.00000000")], BATCH)

    assert find(store, segments, series, (None, None)) == [february]
    assert january.count == len(stored_in(store, series, january.month))  # still readable
    assert build(store, tmp_path, series, JANUARY) == [Outcome.BUILT]
    again, _ = find(store, segments, series, (None, None))
    assert check_segment(store, series, again) == january.count
    assert len(list(tmp_path.glob("*.segment"))) == 2


def test_a_snapshot_before_a_restatement_finds_what_it_sees(
    store: Store, series: Series, tmp_path: Path
) -> None:
    build(store, tmp_path, series, JANUARY)
    segments = Segments(tmp_path, PLENTY)

    with store.read() as connection:
        (before,) = segments.find(connection, series, None, None)
        write_klines(store, series, [HOURS[0]._replace(close="1.00000000")], BATCH)
        (still,) = segments.find(connection, series, None, None)

    assert still is before
    assert bytes(before.json_rows(*before.month)).startswith(json_of(HOURS[:1]))
    assert find(store, segments, series, (None, None)) == []


def test_months_that_are_not_closed_are_not_built(
    store: Store, series: Series, tmp_path: Path
) -> None:
    assert build(store, tmp_path, series, APRIL, JANUARY - 1) == [Outcome.NOT_CLOSED] * 2


def test_a_month_is_built_once(store: Store, series: Series, tmp_path: Path) -> None:
    assert build(store, tmp_path, series, JANUARY, JANUARY) == [Outcome.BUILT, Outcome.PRESENT]


def test_what_is_wanted_is_built_in_the_background(
    store: Store, series: Series, tmp_path: Path
) -> None:
    segments = Segments(tmp_path, PLENTY, store)
    for _ in range(3):
        for start_ms in (JANUARY, FEBRUARY, APRIL):
            segments.want(series, month_of(start_ms))

    wait_until(lambda: len(find(store, segments, series, (None, None))) == 2, "two segments")
    segments.close()

    assert len(list(tmp_path.glob("*.segment"))) == 2


@pytest.mark.parametrize("page", [1, 7, 744])
def test_files_of_many_pages_are_the_same(
    page: int, store: Store, series: Series, tmp_path: Path
) -> None:
    path = tmp_path / "january"
    with store.read() as connection:
        (month, *_) = read_closed_months(connection, series, None, None)
        with month_pages(connection, series, month.month, page=page) as pages:
            write_segment(path, series, month, pages)

    with path.open("rb") as file:
        segment = Segment(file, read_manifest(file))

    assert check_segment(store, series, segment) == 684


def test_klines_of_a_month_of_minutes(store: Store, tmp_path: Path) -> None:
    minutes = make_klines(Interval.M1, 31 * 1440 + 2 * 1440)
    series = add_series(store, "ETHUSDT", Interval.M1, minutes)
    build(store, tmp_path, series, JANUARY)

    (segment,) = find(store, Segments(tmp_path, PLENTY), series, (None, None))

    assert check_segment(store, series, segment) == 31 * 1440
    span = Range(JANUARY + 5 * MINUTE_MS, JANUARY + 19_999 * MINUTE_MS)
    assert check_segment(store, series, segment, span) == 19_994


def test_none_is_kept_where_the_bound_is_zero(store: Store, series: Series, tmp_path: Path) -> None:
    folder = tmp_path / "none"
    segments = Segments(folder, 0, store)
    segments.want(series, month_of(JANUARY))

    assert find(store, segments, series, (None, None)) == []
    segments.close()
    assert not folder.exists()
