"""Against what Binance published: aggregates, outages, and the bundled sample's completeness."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from binance_simulator.catalogue import parse_file, scan
from binance_simulator.grid import Grid
from binance_simulator.history import History, Query
from binance_simulator.months import read_file
from market.interval import DAY_MS, HOUR_MS, MINUTE_MS, Interval
from market.kline import Kline
from market.times import parse_time_ms

SIMULATOR = Path(__file__).parents[3] / "simulator"
SAMPLE = SIMULATOR / "sample"


def unpack(tar: Path, folder: Path) -> dict[tuple[str, Interval], list[Path]]:
    """Unpack original zips; return them by series."""
    with tarfile.open(tar) as archive:
        archive.extractall(folder, filter="data")
    series: dict[tuple[str, Interval], list[Path]] = {}
    for path in sorted(folder.rglob("*.zip")):
        file = parse_file(path)
        if file is not None:
            series.setdefault((file.symbol, file.interval), []).append(path)
    return series


def serve_alone(paths: list[Path], folder: Path) -> History:
    """Return a history of these files and no others."""
    folder.mkdir()
    for path in paths:
        shutil.copy(path, folder / path.name)
    return History(scan([folder]))


def read_all(paths: list[Path]) -> list[Kline]:
    files = [file for path in paths if (file := parse_file(path)) is not None]
    return [kline for file in files for kline in read_file(file)]


def all_klines(history: History, symbol: str, interval: Interval) -> list[Kline]:
    rows: list[Kline] = []
    now_ms = history.newest_close() + 1
    query = Query(symbol, Grid(interval), 0, None, 1000)
    while page := history.page(query, now_ms).klines():
        rows += page
        query = query._replace(start_ms=page[-1].open_time_ms + 1)
    return rows


def test_days_made_of_hours_equal_binances_own(recordings: Path, tmp_path: Path) -> None:
    zips = recordings / "archive_daily_zips"
    hours = unpack(zips / "spot_daily_BTC_ETH_SOL_ARB_1h_2024H1.tar", tmp_path / "1h")
    days = unpack(zips / "spot_daily_BTC_ETH_SOL_ARB_1d_2024.tar", tmp_path / "1d")

    compared = 0
    for (symbol, _), paths in hours.items():
        made = all_klines(serve_alone(paths, tmp_path / symbol), symbol, Interval.D1)
        native = read_all(days[symbol, Interval.D1])[: len(made)]
        assert made == native
        compared += len(made)

    assert compared == 4 * 177


@pytest.mark.parametrize("higher", [Interval.M15, Interval.H1])
def test_minutes_of_an_outage_aggregate_to_binances_own(
    recordings: Path, tmp_path: Path, higher: Interval
) -> None:
    tar = recordings / "archive_daily_zips" / "spot_daily_outage_samples.tar"
    series = unpack(tar, tmp_path / "all")

    compared = 0
    for (symbol, interval), paths in series.items():
        minutes = series.get((symbol, Interval.M1), [])
        if interval is not higher or not minutes:
            continue
        history = serve_alone(minutes, tmp_path / symbol)
        made = {k.open_time_ms: k for k in all_klines(history, symbol, higher)}
        native = [k for k in read_all(paths) if k.open_time_ms in made]
        assert [made[k.open_time_ms] for k in native] == native
        compared += len(native)

    assert compared > 250


def test_recorded_outage_shows_as_missing_minutes(recordings: Path) -> None:
    history = History(scan([recordings / "archive_monthly_1m"]))
    before_ms = parse_time_ms("before", "2018-02-08T00:28:00Z")
    after_ms = parse_time_ms("after", "2018-02-09T10:00:00Z")

    page = history.page(
        Query("BTCUSDT", Grid(Interval.M1), before_ms, None, 2), history.newest_close() + 1
    )

    assert [k.open_time_ms // MINUTE_MS for k in page.klines()] == [
        before_ms // MINUTE_MS,
        after_ms // MINUTE_MS,
    ]


def test_sample_is_made_again_byte_by_byte(recordings: Path, tmp_path: Path) -> None:
    made_by = SIMULATOR / "make_sample.py"

    subprocess.run([sys.executable, made_by, recordings, tmp_path], check=True, timeout=120)

    made = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    kept = {p.relative_to(SAMPLE): p.read_bytes() for p in SAMPLE.rglob("*") if p.is_file()}
    assert set(made) == set(kept)
    assert [path for path in made if made[path] != kept[path]] == []


def test_sample_is_what_its_metadata_says() -> None:
    metadata = json.loads((SAMPLE / "metadata.json").read_bytes())
    zips = sorted(SAMPLE.rglob("*.zip"))

    lines = ""
    for path in zips:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        beside = path.with_name(path.name + ".CHECKSUM").read_text()
        assert beside == f"{digest}  {path.name}\n"
        lines += f"{digest}  {path.relative_to(SAMPLE).as_posix()}\n"

    assert len(zips) == metadata["files"]
    assert hashlib.sha256(lines.encode()).hexdigest() == metadata["manifest_sha256"]
    assert sum(p.stat().st_size for p in SAMPLE.rglob("*") if p.is_file()) < 5_000_000


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_days_of_the_sample_equal_its_hours(symbol: str, tmp_path: Path) -> None:
    hours = [p for p in SAMPLE.rglob("*.zip") if p.name.startswith(f"{symbol}-1h-")]
    days = sorted(p for p in SAMPLE.rglob("*.zip") if p.name.startswith(f"{symbol}-1d-"))

    made = all_klines(serve_alone(hours, tmp_path / symbol), symbol, Interval.D1)

    assert made == sorted(read_all(days))
    steps = {b.open_time_ms - a.open_time_ms for a, b in zip(made, made[1:], strict=False)}
    assert steps == {DAY_MS}


def test_hours_missing_in_the_sample_are_missing_at_binance(recordings: Path) -> None:
    # Another download, over REST and by someone else, ends in December 2020.
    (file,) = (recordings / "messy").glob("BTCUSDT_1h_*.csv.gz")
    rows = csv.reader(gzip.decompress(file.read_bytes()).decode().splitlines())
    times = [row[0] for row in rows if row[0][0].isdigit()]
    seen = {parse_time_ms("seen", text.replace(" ", "T") + "Z") for text in times}
    metadata = json.loads((SAMPLE / "metadata.json").read_bytes())
    hourly = next(
        s for s in metadata["series"] if (s["symbol"], s["interval"]) == ("BTCUSDT", "1h")
    )

    missing = [
        open_ms
        for gap in hourly["gaps"]
        for open_ms in range(
            parse_time_ms("from", gap["from"]), parse_time_ms("to", gap["to"]), HOUR_MS
        )
        if open_ms < max(seen)
    ]

    assert len(missing) == 13
    assert [open_ms for open_ms in missing if open_ms in seen] == []
