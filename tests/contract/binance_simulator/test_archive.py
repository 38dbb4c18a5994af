"""The public archive over a real socket: objects, checksums, listings, publication times."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest

from binance_simulator.bucket import Bucket
from binance_simulator.catalogue import scan
from binance_simulator.clock import SimulatedClock
from binance_simulator.faults.board import Faults
from market.interval import DAY_MS, Interval
from market.times import parse_time_ms
from support.archive import write_archive_file, write_archive_months
from support.klines import START_MS, make_klines
from support.simulator import Simulator, run_simulator

SAMPLE = Path(__file__).parents[3] / "simulator" / "sample"
MONTH = "/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip"
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Two months of hours, both published."""
    folder = tmp_path_factory.mktemp("simulator")
    write_archive_months(folder / "data", "BTCUSDT", "1h", make_klines(Interval.H1, 60 * 24))
    with run_simulator(folder / "data", folder / "log") as serving:
        yield serving


@pytest.fixture
def http(archive: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=archive.url) as client:
        set_clock(client, "2024-03-01")
        yield client


def bucket_of(folder: Path) -> Bucket:
    return Bucket(scan([folder]), Faults(SimulatedClock(0, 0, 1 << 60)))


def set_clock(http: httpx.Client, now: str) -> None:
    http.post("/simulator/clock", json={"now": now, "speed": 0}).raise_for_status()


def test_zip_and_checksum_are_the_files_themselves(http: httpx.Client, archive: Simulator) -> None:
    path = next(archive.data.rglob("BTCUSDT-1h-2024-01.zip"))

    zipped, checksum = http.get(MONTH), http.get(MONTH + ".CHECKSUM")

    assert zipped.content == path.read_bytes()
    assert zipped.headers["content-type"] == "application/zip"
    assert checksum.content == path.with_name(path.name + ".CHECKSUM").read_bytes()


def test_checksum_is_made_where_no_file_stands_beside(simulator_data: Path, tmp_path: Path) -> None:
    for path in simulator_data.rglob("*.CHECKSUM"):
        path.unlink()
    with run_simulator(simulator_data, tmp_path / "log") as serving:
        content = httpx.get(serving.url + MONTH).content
        checksum = httpx.get(serving.url + MONTH + ".CHECKSUM").text

    assert checksum == f"{hashlib.sha256(content).hexdigest()}  BTCUSDT-1h-2024-01.zip\n"


def test_month_appears_once_it_has_ended(http: httpx.Client) -> None:
    set_clock(http, "2024-01-31T23:59:59.999Z")
    before = http.get(MONTH).status_code
    checksum_before = http.get(MONTH + ".CHECKSUM").status_code

    set_clock(http, "2024-02-01T00:00:00Z")

    assert (before, checksum_before) == (404, 404)
    assert http.get(MONTH).status_code == 200


def test_day_appears_once_it_has_ended() -> None:
    bucket = bucket_of(SAMPLE)
    key = "data/spot/daily/klines/BTCUSDT/1d/BTCUSDT-1d-2024-06-18.zip"
    end_ms = parse_time_ms("end", "2024-06-19")

    assert bucket.read(key, end_ms - 1) is None
    assert bucket.read(key, end_ms) is not None


def test_missing_key_is_answered_as_recorded(http: httpx.Client, recordings: Path) -> None:
    recorded = (recordings / "archive_daily_zips" / "http404_NoSuchKey_body.xml").read_text()
    key = "data/spot/daily/klines/ARBUSDT/15m/ARBUSDT-15m-2022-01-01.zip"

    response = http.get("/" + key)

    def without_ids(body: str) -> str:
        return re.sub(r"<(RequestId|HostId)>[^<]*<", r"<\1><", body)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/xml"
    assert without_ids(response.text) == without_ids(recorded)


def test_head_tells_size_and_etag_without_a_body(http: httpx.Client) -> None:
    head, whole = http.head(MONTH), http.get(MONTH)

    assert head.content == b""
    assert int(head.headers["content-length"]) == len(whole.content)
    assert head.headers["etag"] == f'"{hashlib.md5(whole.content).hexdigest()}"'
    assert head.headers["last-modified"] == "Thu, 01 Feb 2024 00:00:00 GMT"
    assert http.head(MONTH.replace("2024-01", "2030-01")).status_code == 404


def test_unchanged_objects_are_not_sent_again(http: httpx.Client) -> None:
    first = http.get(MONTH)

    by_etag = http.get(MONTH, headers={"If-None-Match": first.headers["etag"]})
    by_date = http.get(MONTH, headers={"If-Modified-Since": first.headers["last-modified"]})
    older = http.get(MONTH, headers={"If-Modified-Since": "Thu, 01 Jan 2024 00:00:00 GMT"})
    nonsense = http.get(MONTH, headers={"If-Modified-Since": "yesterday"})

    statuses = [answer.status_code for answer in (by_etag, by_date, older, nonsense)]
    assert statuses == [304, 304, 200, 200]


def test_ranges_give_parts(http: httpx.Client) -> None:
    whole = http.get(MONTH).content

    part = http.get(MONTH, headers={"Range": "bytes=10-19"})
    tail = http.get(MONTH, headers={"Range": "bytes=-5"})
    outside = http.get(MONTH, headers={"Range": f"bytes={len(whole)}-"})

    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    assert tail.content == whole[-5:]
    assert outside.status_code == 416
    assert "InvalidRange" in outside.text


def test_injected_corruption_breaks_one_download(http: httpx.Client) -> None:
    http.post("/simulator/faults", json={"kind": "corrupt_zip"})
    promised = http.get(MONTH + ".CHECKSUM").text.split()[0]

    broken, whole = http.get(MONTH), http.get(MONTH)

    assert hashlib.sha256(broken.content).hexdigest() != promised
    assert hashlib.sha256(whole.content).hexdigest() == promised


def listed(http: httpx.Client, **params: str) -> ElementTree.Element:
    response = http.get("/", params={key.replace("_", "-"): v for key, v in params.items()})
    assert response.headers["content-type"] == "application/xml"
    return ElementTree.fromstring(response.content)


def texts(page: ElementTree.Element, *path: str) -> list[str]:
    return [e.text or "" for e in page.findall("/".join(NAMESPACE + name for name in path))]


def test_listing_shows_folders_then_files(http: httpx.Client) -> None:
    top = listed(http, prefix="data/spot/monthly/klines/", delimiter="/")
    files = listed(http, prefix="data/spot/monthly/klines/BTCUSDT/1h/", delimiter="/")

    assert texts(top, "CommonPrefixes", "Prefix") == ["data/spot/monthly/klines/BTCUSDT/"]
    keys = texts(files, "Contents", "Key")
    assert keys == [
        f"data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-0{month}.zip{suffix}"
        for month in (1, 2)
        for suffix in ("", ".CHECKSUM")
    ]
    assert texts(files, "IsTruncated") == ["false"]
    sizes = texts(files, "Contents", "Size")
    assert sizes == [http.head("/" + key).headers["content-length"] for key in keys]


def test_listing_hides_what_is_not_published_yet(http: httpx.Client) -> None:
    set_clock(http, "2024-02-10")

    keys = texts(listed(http, prefix="data/"), "Contents", "Key")

    names = [key.rsplit("/", 1)[1] for key in keys]
    assert names == ["BTCUSDT-1h-2024-01.zip", "BTCUSDT-1h-2024-01.zip.CHECKSUM"]


@pytest.mark.parametrize("max_keys", ["-1", "many", "1.5"])
def test_listing_refuses_a_size_that_is_none(http: httpx.Client, max_keys: str) -> None:
    response = http.get("/", params={"max-keys": max_keys})

    assert response.status_code == 400
    assert "InvalidArgument" in response.text


@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_pages_of_a_listing_hold_every_key_once(tmp_path: Path, delimiter: str, size: int) -> None:
    for symbol in ("AAAUSDT", "BBBUSDT", "CCCUSDT"):
        for day in range(1, 6):
            kline = make_klines(Interval.D1, 1, start_ms=START_MS + (day - 1) * DAY_MS)
            write_archive_file(tmp_path, f"{symbol}-1d-2024-01-{day:02d}", kline)
    bucket = bucket_of(tmp_path)
    now_ms = START_MS + 4 * DAY_MS
    prefix = "data/spot/daily/klines/"

    keys: list[str] = []
    prefixes: list[str] = []
    marker = ""
    for _ in range(200):
        page = bucket.list(now_ms, prefix, delimiter, marker, size)
        assert len(page.objects) + len(page.prefixes) <= size
        keys += [key for key, _ in page.objects]
        prefixes += page.prefixes
        if page.next_marker is None:
            break
        marker = page.next_marker

    if delimiter:
        assert keys == []
        assert prefixes == [prefix + s + "/" for s in ("AAAUSDT", "BBBUSDT", "CCCUSDT")]
    else:
        assert prefixes == []
        assert len(keys) == len(set(keys)) == 3 * 4 * 2
        assert keys == sorted(keys)


def test_original_zips_are_served_and_listed_untouched(recordings: Path, tmp_path: Path) -> None:
    tar = recordings / "archive_daily_zips" / "spot_daily_outage_samples.tar"
    with tarfile.open(tar) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    paths = sorted((tmp_path / "data").rglob("*.zip"))

    with run_simulator(tmp_path / "data", tmp_path / "log") as serving:
        for path in paths:
            key = path.relative_to(tmp_path / "data")
            response = httpx.get(f"{serving.url}/{key}")
            assert response.content == path.read_bytes()
            assert zipfile.ZipFile(io.BytesIO(response.content)).testzip() is None
    assert len(paths) > 20
