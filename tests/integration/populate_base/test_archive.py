"""The archive itself: listings, damaged files in quarantine, and a host that is blocked."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from market.errors import ChecksumMismatch, DataError, ExchangeUnavailable
from market.gaps import Range
from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.times import format_time, parse_time_ms
from populate_base import archive as archive_module
from populate_base.archive import Archive
from populate_base.archive_file import ArchiveFile, Period
from populate_base.backfill import Sources
from populate_base.quarantine import Quarantine
from support.archive import archive_csv, write_archive_file, write_archive_months
from support.file_server import serving_files
from support.klines import START_MS, make_klines
from support.populator import make_backfill, opened_sources, register, stored_klines
from support.ports import free_port
from support.simulator import Simulator, run_simulator
from support.stores import rows

MONTH = ArchiveFile("BTCUSDT", Interval.H1, Period.MONTHLY, START_MS)
FOLDER = MONTH.path.rpartition("/")[0]
NOW_MS = 1_708_000_000_000


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path / "quarantine", lambda: NOW_MS)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder served as an archive, and its address."""
    (tmp_path / "files" / FOLDER).mkdir(parents=True)
    with serving_files(tmp_path / "files") as url:
        yield tmp_path / "files", url


def put(root: Path, content: bytes, digest: str | None = None) -> None:
    path = root / MONTH.path
    path.write_bytes(content)
    digest = digest or hashlib.sha256(content).hexdigest()
    path.with_name(f"{path.name}.CHECKSUM").write_text(f"{digest}  {path.name}\n")


def test_the_listing_names_every_file_with_its_size(simulator: Simulator) -> None:
    archive = Archive(simulator.url)

    found = {entry.key: entry for entry in archive.iter_objects(f"{FOLDER}/")}
    after = list(archive.iter_objects(f"{FOLDER}/", MONTH.path))
    folders = list(archive.iter_folders("data/spot/monthly/klines/"))
    archive.close()

    content = (simulator.data / MONTH.name).read_bytes()
    listed = found[MONTH.path]
    assert listed.size == len(content)
    assert listed.etag == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert MONTH.path not in {entry.key for entry in after}
    assert folders == ["data/spot/monthly/klines/BTCUSDT/"]


def test_a_listing_goes_on_over_its_pages(tmp_path: Path) -> None:
    # Two keys a file: 600 days are more than one page of a thousand keys.
    klines = make_klines(Interval.D1, 600)
    for kline in klines:
        name = f"BTCUSDT-1d-{date_of(kline.open_time_ms)}"
        write_archive_file(tmp_path / "days", name, [kline])
    options = ["--now", f"{date_of(klines[-1].open_time_ms)}T00:00:00Z", "--speed", "0"]
    with run_simulator(tmp_path / "days", tmp_path / "days.log", options) as simulator:
        archive = Archive(simulator.url)
        found = list(archive.iter_objects("data/spot/daily/klines/BTCUSDT/1d/"))
        archive.close()

    assert len([entry for entry in found if entry.key.endswith(".zip")]) == 599


def date_of(time_ms: int) -> str:
    return format_time(time_ms)[: len("YYYY-MM-DD")]


def test_the_listing_decides_what_is_asked_for(store: Store, tmp_path: Path) -> None:
    klines = make_klines(Interval.H1, 152 * 24)  # January to May
    write_archive_months(tmp_path / "months", "BTCUSDT", "1h", klines)
    for path in (tmp_path / "months").glob("*2024-02*"):
        path.unlink()
    for start in range(31 * 24, 60 * 24, 24):
        name = f"BTCUSDT-1h-{date_of(klines[start].open_time_ms)}"
        write_archive_file(tmp_path / "months", name, klines[start : start + 24])
    options = ["--now", "2024-05-01T00:00:00Z", "--speed", "0"]
    with (
        run_simulator(tmp_path / "months", tmp_path / "months.log", options) as simulator,
        opened_sources(simulator.url, simulator.url, store) as sources,
    ):
        series = register(store, sources, Interval.H1)
        unknown = count_unknown()

        report = make_backfill(store, sources).run(series, START_MS, None)

    assert report.batches == {"archive_monthly": 3, "rest": 1}
    assert count_unknown() == unknown
    assert stored_klines(store, series) == klines[: 121 * 24]


def count_unknown() -> float:
    """Return how often the archive was asked for what it does not have."""
    labels = {"target": "archive", "outcome": "404"}
    return REGISTRY.get_sample_value("populate_base_requests_total", labels) or 0.0


def test_a_file_keeps_the_archives_own_mark(store: Store, sources: Sources) -> None:
    series = register(store, sources, Interval.H1)

    make_backfill(store, sources).run(series, START_MS, MONTH.span.end_ms)

    (batch,) = rows(store, "SELECT * FROM ingest_batches")
    assert batch["url"] == f"{sources.archive.archive_url}/{MONTH.path}"
    assert len(batch["etag"]) == 32
    assert batch["checked_at_ms"] == batch["fetched_at_ms"]
    assert batch["rows"] == 31 * 24


def test_a_wrong_checksum_puts_the_file_into_quarantine(
    files: tuple[Path, str], quarantine: Quarantine
) -> None:
    root, url = files
    put(root, b"something else", "ab" * 32)
    archive = Archive(url, quarantine=quarantine)

    for _ in range(2):
        with pytest.raises(ChecksumMismatch):
            archive.fetch(MONTH)
    archive.close()

    digest = hashlib.sha256(b"something else").hexdigest()
    kept = quarantine.folder / f"{digest[:12]}-{MONTH.name}"
    assert kept.read_bytes() == b"something else"
    told = json.loads(kept.with_name(f"{kept.name}.json").read_bytes())
    assert told["url"] == f"{url}/{MONTH.path}"
    assert (told["sha256"], told["quarantined_at_ms"]) == (digest, NOW_MS)
    assert "ab" * 32 in told["reason"]
    assert len(list(quarantine.folder.iterdir())) == 2


def test_a_damaged_row_leaves_nothing_of_the_file_in_the_store(
    store: Store, simulator: Simulator, sources: Sources, hours: list[Kline],
    files: tuple[Path, str], quarantine: Quarantine,
) -> None:  # fmt: skip
    root, url = files
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        text = archive_csv(hours[: 31 * 24])
        zipped.writestr("x.csv", text[: text.rindex(",")] + "\n")  # eleven columns at the end
    put(root, buffer.getvalue())
    archive = Archive(url, attempts=2, quarantine=quarantine)
    series = register(store, sources, Interval.H1)
    mixed = Sources(sources.exchange, archive, sources.clock)

    report = make_backfill(store, mixed).run(series, START_MS, MONTH.span.end_ms)
    archive.close()

    assert report.batches == {"rest": 1}
    assert "row 744 is not a kline" in report.warnings[0]
    assert stored_klines(store, series) == hours[: 31 * 24]
    (told,) = quarantine.folder.glob("*.json")
    assert "row 744 is not a kline" in json.loads(told.read_bytes())["reason"]


def test_the_quarantine_is_bounded(quarantine: Quarantine) -> None:
    for number in range(30):
        content = f"{number}".encode()
        digest = hashlib.sha256(content).hexdigest()
        quarantine.put(
            io.BytesIO(content), name="a.zip", url="url", sha256=digest, reason="damaged"
        )

    assert len(list(quarantine.folder.glob("*.zip"))) == 20
    assert len(list(quarantine.folder.glob("*.json"))) == 20


def test_a_quarantine_that_cannot_be_written_stops_nothing(
    files: tuple[Path, str], tmp_path: Path
) -> None:
    root, url = files
    put(root, b"something else", "ab" * 32)
    (tmp_path / "file").write_text("no folder")
    archive = Archive(url, quarantine=Quarantine(tmp_path / "file" / "quarantine", lambda: 1))

    with pytest.raises(ChecksumMismatch):
        archive.fetch(MONTH)
    archive.close()


def test_where_the_archives_host_is_blocked_its_bucket_serves(
    files: tuple[Path, str], simulator: Simulator
) -> None:
    root, url = files
    content = (simulator.data / MONTH.name).read_bytes()
    put(root, content)
    archive = Archive(f"http://127.0.0.1:{free_port()}", url, attempts=1)

    download = archive.fetch(MONTH)
    archive.close()

    assert download is not None
    with download.content as kept:
        kept.seek(0)
        assert kept.read() == content
    assert download.url == f"{url}/{MONTH.path}"


def test_an_archive_without_any_host_says_so() -> None:
    archive = Archive(
        f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}", attempts=1
    )

    with pytest.raises(ExchangeUnavailable, match="cannot be read"):
        archive.fetch(MONTH)
    with pytest.raises(ExchangeUnavailable, match="cannot be read"):
        list(archive.iter_objects(FOLDER))
    archive.close()


def test_a_file_that_drips_is_given_up(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "_PATIENCE_S", 1.0)
    simulator.control("faults", kind="slow_body", bytes_per_s=2_000, count=2, path=f"/{MONTH.path}")
    archive = Archive(simulator.url, attempts=1)

    with pytest.raises(ExchangeUnavailable, match="came too slowly"):
        archive.fetch(MONTH)
    again = archive.fetch(MONTH)
    archive.close()

    assert again is not None
    again.content.close()


def test_a_file_larger_than_its_range_allows_is_not_fetched_whole(
    files: tuple[Path, str],
) -> None:
    root, url = files
    put(root, b"0" * 400_000)
    archive = Archive(url, attempts=1)

    with pytest.raises(DataError, match="is larger than"):
        archive.fetch(MONTH)
    archive.close()


def test_only_what_was_wanted_of_a_file_is_stored(
    store: Store, sources: Sources, hours: list[Kline]
) -> None:
    series = register(store, sources, Interval.H1)
    span = Range(parse_time_ms("t", "2024-01-05"), parse_time_ms("t", "2024-01-30"))

    report = make_backfill(store, sources).run(series, *span)

    assert report.batches == {"archive_monthly": 1}
    assert stored_klines(store, series) == hours[4 * 24 : 29 * 24]
