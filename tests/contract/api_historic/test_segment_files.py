"""The files of segments: damaged ones are refused, old ones make room, processes share them."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from api_historic.segments import Segment, Segments
from api_historic.segments.builder import Outcome, build_month
from api_historic.segments.folder import KEEP_S, SegmentFolder
from api_historic.segments.segment_file import check_body, read_manifest
from market.errors import DataError, SettingsError
from market.interval import Interval
from market.store import Store
from market.store.kline_months import month_of, months_of
from market.store.symbols import Series
from support import segment_worker
from support.history_api import add_series, new_store
from support.klines import make_klines
from support.segments import PLENTY, build, check_segment

HOURS = make_klines(Interval.H1, 24 * 100)
MONTHS = months_of(kline.open_time_ms for kline in HOURS)[:3]
JANUARY, FEBRUARY, MARCH = MONTHS


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = new_store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def series(store: Store) -> Series:
    return add_series(store, "BTCUSDT", Interval.H1, HOURS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "segments"


def find(store: Store, folder: Path, series: Series) -> list[Segment]:
    with store.read() as connection:
        return Segments(folder, PLENTY).find(connection, series, None, None)


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.segment")
    return path


def test_every_damage_is_found_and_dropped(store: Store, series: Series, folder: Path) -> None:
    build(store, folder, series, JANUARY)
    path = only_file(folder)
    whole = path.read_bytes()
    dice = random.Random(1)
    places = {0, 1, len(whole) // 2, len(whole) - 1, len(whole) - 9, len(whole) - 300}
    places |= {dice.randrange(len(whole)) for _ in range(60)}

    for place in sorted(places):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        assert find(store, folder, series) == [], place
        assert not path.exists()

    for size in sorted({dice.randrange(len(whole)) for _ in range(20)} | {0, 1, len(whole) - 1}):
        path.write_bytes(whole[:size])
        assert find(store, folder, series) == [], size
        assert not path.exists()

    path.write_bytes(whole)
    (found,) = find(store, folder, series)
    check_segment(store, series, found)


def test_foreign_files_are_refused(store: Store, series: Series, folder: Path) -> None:
    other = add_series(store, "ETHUSDT", Interval.H1, HOURS)
    build(store, folder, other, JANUARY)
    theirs = only_file(folder).rename(folder / "aside")
    build(store, folder, series, JANUARY, FEBRUARY)
    january, february = sorted(folder.glob("*.segment"))
    content = february.read_bytes()

    shutil.copy(theirs, february)
    january.write_bytes(content)

    assert find(store, folder, series) == []
    assert list(folder.glob("*.segment")) == []


def test_a_folder_in_a_files_place_is_passed_over(
    store: Store, series: Series, folder: Path
) -> None:
    build(store, folder, series, JANUARY)
    path = only_file(folder)
    path.unlink()
    path.mkdir()

    assert find(store, folder, series) == []


def test_sums_tell_damage_thoroughly(store: Store, series: Series, folder: Path) -> None:
    build(store, folder, series, JANUARY)
    with only_file(folder).open("r+b") as file:
        manifest = read_manifest(file)
        check_body(file, manifest, thoroughly=True)
        file.seek(manifest.rows.offset)
        file.write(b"x")
        with pytest.raises(DataError, match="checksum"):
            check_body(file, manifest, thoroughly=True)


def test_least_recently_used_months_make_room(store: Store, series: Series, folder: Path) -> None:
    build(store, folder, series, JANUARY, FEBRUARY)
    january, february = sorted(folder.glob("*.segment"))
    for path, age_s in ((january, KEEP_S + 5), (february, KEEP_S + 50)):
        os.utime(path, (time.time() - age_s,) * 2)
    bound = january.stat().st_size + february.stat().st_size + 60_000

    outcome = build_month(store, SegmentFolder(folder, bound), series, month_of(MARCH))

    assert outcome is Outcome.BUILT
    names = [one.start_ms for one in SegmentFolder(folder, bound).list_segments()]
    assert names == [JANUARY, MARCH]


def test_months_in_use_are_not_given_up(store: Store, series: Series, folder: Path) -> None:
    build(store, folder, series, JANUARY)
    path = only_file(folder)
    os.utime(path, (time.time() - 2 * KEEP_S,) * 2)
    find(store, folder, series)  # a use
    tight = SegmentFolder(folder, path.stat().st_size + 10_000)

    assert build_month(store, tight, series, month_of(FEBRUARY)) is Outcome.NO_ROOM
    assert path.exists()


def test_a_month_larger_than_the_bound_is_not_built(
    store: Store, series: Series, folder: Path
) -> None:
    assert build_month(store, SegmentFolder(folder, 1000), series, month_of(JANUARY)) is (
        Outcome.NO_ROOM
    )
    assert list(folder.glob("*.segment")) == []


def test_a_dropped_segment_stays_readable_and_is_not_found_again(
    store: Store, series: Series, folder: Path
) -> None:
    build(store, folder, series, JANUARY)
    segments = Segments(folder, PLENTY)
    with store.read() as connection:
        (found,) = segments.find(connection, series, None, None)

    only_file(folder).unlink()

    check_segment(store, series, found)
    rows, table = found.json_rows(*found.month), found.table(*found.month)
    found.release()
    segments.close()
    del found
    assert len(rows) > 100_000
    assert table.num_rows == 744


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is mapped")
def test_a_segment_nobody_uses_is_closed(store: Store, series: Series, folder: Path) -> None:
    build(store, folder, series, JANUARY, FEBRUARY)
    seconds = [0.0]
    segments = Segments(folder, PLENTY, clock=lambda: seconds[-1])

    def use(start_ms: int) -> list[int]:
        with store.read() as connection:
            found = segments.find(connection, series, start_ms, start_ms + 1)
        return [segment.month.start_ms for segment in found]

    def is_open(start_ms: int) -> bool:
        return f"-{start_ms}-" in Path("/proc/self/maps").read_text()

    assert use(JANUARY) + use(FEBRUARY) == [JANUARY, FEBRUARY]
    for now_s in (100.0, 200.0, 290.0, 380.0):
        seconds.append(now_s)
        assert is_open(JANUARY)
        assert use(FEBRUARY) == [FEBRUARY]

    assert not is_open(JANUARY)
    assert is_open(FEBRUARY)
    assert use(JANUARY) == [JANUARY]


def test_processes_build_each_month_once(store: Store, series: Series, folder: Path) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=spawn) as pool:
        done = [
            pool.submit(segment_worker.build_all, url, folder, "BTCUSDT", MONTHS) for _ in range(3)
        ]
        outcomes = Counter(outcome for one in done for outcome in one.result())

    assert outcomes == {"built": 3, "present": 6}
    assert sum(check_segment(store, series, one) for one in find(store, folder, series)) == 2184


def test_a_build_that_is_stopped_leaves_nothing(store: Store, series: Series, folder: Path) -> None:
    stop = threading.Event()
    stop.set()

    for taken in (False, True):
        with ExitStack() as held:
            if taken:  # another builder is at work
                held.enter_context(SegmentFolder(folder, PLENTY).locked())
            shared = SegmentFolder(folder, PLENTY)
            assert build_month(store, shared, series, month_of(JANUARY), stop) is Outcome.STOPPED
        assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_killed_builder_leaves_no_lock_and_no_draft(
    store: Store, series: Series, folder: Path
) -> None:
    program = segment_worker.__file__
    environment = {**os.environ, "PYTHONPATH": str(Path(program).parents[1])}
    process = subprocess.Popen(
        [sys.executable, program, str(folder)], stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"held\n"
        process.kill()
        process.wait()
    assert list(folder.glob("*.draft")) != []

    assert build(store, folder, series, JANUARY) == [Outcome.BUILT]
    assert list(folder.glob("*.draft")) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match="HISTORY_SEGMENTS_DIR") as caught:
        Segments(tmp_path / "file" / "segments", PLENTY)

    assert "HISTORY_SEGMENTS_MB=0" in caught.value.hint
