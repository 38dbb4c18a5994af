"""`klinecast-history segments …` and `lake …`, as people call them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_historic.segments import Segments
from market.interval import Interval
from market.store import Store
from market.store.klines import Batch, Source, write_klines
from market.store.symbols import Series
from support.history_api import add_series, new_store
from support.klines import make_klines
from support.segments import PLENTY, check_segment
from support.simulator import find_program

HOURS = make_klines(Interval.H1, 24 * 100)
DAYS = make_klines(Interval.D1, 100)
BATCH = Batch(Source.REST, "test", 1)


@pytest.fixture(params=["sqlite", "mysql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = new_store(request.getfixturevalue(f"{request.param}_url"))
    yield store
    store.close()


@pytest.fixture
def series(store: Store) -> Series:
    add_series(store, "BTCUSDT", Interval.D1, DAYS)
    add_series(store, "ETHUSDT", Interval.H1, HOURS)
    return add_series(store, "BTCUSDT", Interval.H1, HOURS)


class Program:
    """The command line over one store and one folder."""

    def __init__(self, store: Store, folder: Path, megabytes: int = 100) -> None:
        self.segments = folder / "segments"
        self.environment = {
            **os.environ,
            "KLINECAST_STORE_URL": store.engine.url.render_as_string(hide_password=False),
            "HISTORY_SEGMENTS_DIR": str(self.segments),
            "HISTORY_SEGMENTS_MB": str(megabytes),
        }

    def run(self, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [find_program("klinecast-history"), *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done

    def json(self, *words: str, status: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", status=status).stdout)


def test_segments_by_hand(store: Store, series: Series, tmp_path: Path) -> None:
    program = Program(store, tmp_path)

    built = program.json("segments", "build", "--symbol", "BTCUSDT")
    again = program.json("segments", "build")
    write_klines(store, series, [HOURS[0]._replace(close="1.00000000")], BATCH)
    listed = program.json("segments", "list", "--check")

    assert (built["built"], again["built"], again["present"]) == (3, 3, 3)
    states = {(one["symbol"], one["month"]): one["state"] for one in listed["segments"]}
    assert len(states) == 6
    assert states.pop(("BTCUSDT", "2024-01")) == "outdated"
    assert set(states.values()) == {"current"}
    assert listed["bytes"] == sum(one["bytes"] for one in listed["segments"])
    with store.read() as connection:
        found = Segments(program.segments, PLENTY).find(connection, series, None, None)
    assert [check_segment(store, series, segment) for segment in found] == [29 * 24, 31 * 24]
    (first, *_) = sorted(program.segments.glob("*.segment"))
    first.write_bytes(first.read_bytes()[:-1])
    assert "damaged" in program.run("segments", "list").stdout
    assert program.json("segments", "drop", "--symbol", "ETHUSDT") == {"dropped": 3}
    assert "3 dropped." in program.run("segments", "drop").stdout
    assert list(program.segments.glob("*.segment")) == []


def test_the_lake_by_hand(store: Store, series: Series, tmp_path: Path) -> None:
    program = Program(store, tmp_path)
    to = ("--to", (tmp_path / "lake").as_uri())

    one = program.json("lake", "publish", *to, "--symbol", "BTCUSDT", "--interval", "1d")
    rest = program.json("lake", "publish", *to)
    verified = program.json("lake", "verify", *to)
    (tmp_path / "lake/klines/symbol=ETHUSDT/interval=1h/2024-02.parquet").unlink()
    after = program.json("lake", "verify", *to, status=1)

    assert (one["written"], rest["written"], rest["kept"]) == (3, 6, 3)
    assert (verified["equal"], verified["faults"]) == (9, [])
    lost = {"symbol": "ETHUSDT", "interval": "1h", "month": "2024-02", "finding": "missing"}
    assert after["faults"] == [lost]
    assert (tmp_path / "lake/klines/symbol=BTCUSDT/interval=1d/2024-03.parquet").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("lake", "publish", "--to", "ftp://x"), 2, "file:///absolute/path or s3://bucket/prefix"),
        (("lake", "publish"), 2, "--to"),
        (("segments", "build", "--symbol", "NONE"), 1, "symbol 'NONE' is not known here"),
        (("segments", "build", "--interval", "7m"), 2, "7m"),
        (("segments", "build", "--interval", "1s"), 1, "no kline of these symbols"),
    ],
)
def test_what_is_wrong_is_said(
    words: tuple[str, ...], status: int, said: str, sqlite_url: str, tmp_path: Path
) -> None:
    store = new_store(sqlite_url)
    add_series(store, "BTCUSDT", Interval.H1, HOURS[:10])

    answer = Program(store, tmp_path).run(*words, status=status)

    assert said in " ".join(answer.stderr.split())
    store.close()


def test_a_bound_that_is_too_small_is_said(sqlite_url: str, tmp_path: Path) -> None:
    store = new_store(sqlite_url)
    minutes = make_klines(Interval.M1, 31 * 1440 + 3 * 1440)
    add_series(store, "BTCUSDT", Interval.M1, minutes)

    small = Program(store, tmp_path, megabytes=1).run("segments", "build", status=1)
    none = Program(store, tmp_path, megabytes=0).run("segments", "list", status=1)

    assert "HISTORY_SEGMENTS_MB=1 holds no more" in small.stderr
    assert "HISTORY_SEGMENTS_MB is 0" in none.stderr
    store.close()
