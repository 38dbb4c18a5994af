"""The lake: Parquet files that equal the store, on a folder and on a real S3 server."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import httpx
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from api_historic.lake.lake import Lake
from api_historic.lake.publishing import Finding, Put, publish_series, verify_series
from api_historic.segments.columns import klines_schema
from market.errors import Conflict, ServiceUnavailable
from market.gaps import Range
from market.interval import Interval
from market.store import Store
from market.store.kline_months import months_of
from market.store.klines import Batch, Source, write_klines
from market.store.symbols import Series
from support.history_api import add_series, new_store
from support.klines import make_klines
from support.object_storage import s3_environment
from support.segments import klines_of, stored_in

HOURS = make_klines(Interval.H1, 24 * 100)
HOURS[300] = HOURS[300]._replace(open_time_ms=HOURS[300].open_time_ms + 137)
HOURS[301] = HOURS[301]._replace(ignore='a,"b"', low="0.00000001")
HOURS[302] = HOURS[302]._replace(volume="99999999999999999999.99999999")
JANUARY, FEBRUARY, MARCH, APRIL = months_of(kline.open_time_ms for kline in HOURS)
FOLDER = "klines/symbol=BTCUSDT/interval=1h"
BATCH = Batch(Source.REST, "test", 1)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = new_store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def series(store: Store) -> Series:
    return add_series(store, "BTCUSDT", Interval.H1, HOURS)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def lake(place: Path) -> Lake:
    return Lake(place.as_uri())


def findings(store: Store, lake: Lake, series: Series) -> dict[str, Finding]:
    return dict(verify_series(store, lake, series))


def units(amount: str) -> int:
    """Return an amount in units of its eighth decimal."""
    return int(amount.replace(".", ""))


def restate(store: Store, series: Series) -> None:
    write_klines(store, series, [HOURS[0]._replace(close="1.00000000")], BATCH)


@pytest.mark.parametrize("engine", ["sqlite", "mysql"])
def test_closed_months_are_published_as_they_are_stored(
    engine: str, request: pytest.FixtureRequest, place: Path
) -> None:
    store = new_store(request.getfixturevalue(f"{engine}_url"))
    series = add_series(store, "BTCUSDT", Interval.H1, HOURS)
    other = add_series(store, "币安USDT", Interval.H1, HOURS[:1000])
    lake = Lake(place.as_uri())

    assert publish_series(store, lake, series) == Counter({Put.WRITTEN: 3})
    assert publish_series(store, lake, other) == Counter({Put.WRITTEN: 1})

    names = sorted(path.name for path in (place / FOLDER).iterdir())
    assert names == ["2024-01.parquet", "2024-02.parquet", "2024-03.parquet", "_index.json"]
    table = ds.dataset(place / "klines", partitioning="hive", exclude_invalid_files=True).to_table()
    mine = table.filter(pa.compute.equal(table["symbol"], "BTCUSDT")).sort_by("open_time")
    assert klines_of(mine) == [kline for kline in HOURS if kline.open_time_ms < APRIL]
    assert set(table["symbol"].to_pylist()) == {"BTCUSDT", "币安USDT"}
    assert set(table["interval"].to_pylist()) == {"1h"}
    file = pq.ParquetFile(place / FOLDER / "2024-01.parquet")
    assert file.schema_arrow.equals(klines_schema())
    column = file.metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert column.statistics.min.timestamp() * 1000 == JANUARY
    assert findings(store, lake, series) == dict.fromkeys(
        ("2024-01", "2024-02", "2024-03"), Finding.EQUAL
    )
    store.close()


def test_duckdb_reads_the_lake(store: Store, series: Series, lake: Lake, place: Path) -> None:
    publish_series(store, lake, series)

    found = duckdb.sql(
        "SELECT symbol, interval, count(*), sum(volume), min(low), max(open_time)"
        f" FROM read_parquet('{place}/klines/*/*/*.parquet', hive_partitioning = true)"
        " WHERE open_time < TIMESTAMPTZ '2024-02-01 00:00:00+00' GROUP BY ALL"
    ).fetchall()

    january = [kline for kline in HOURS if kline.open_time_ms < FEBRUARY]
    ((symbol, interval, rows, volume, low, newest),) = found
    assert (symbol, interval, rows) == ("BTCUSDT", "1h", len(january))
    # Python's own decimals round a sum to 28 digits.
    assert units(f"{volume:f}") == sum(units(kline.volume) for kline in january)
    assert low == Decimal("0.00000001")
    assert newest.timestamp() * 1000 == january[-1].open_time_ms


def test_only_what_changed_is_put_again(
    store: Store, series: Series, lake: Lake, place: Path
) -> None:
    publish_series(store, lake, series)
    before = {path.name: path.read_bytes() for path in (place / FOLDER).iterdir()}
    again = publish_series(store, lake, series)
    restate(store, series)

    assert again == Counter({Put.KEPT: 3})
    assert findings(store, lake, series)["2024-01"] is Finding.RESTATED
    assert publish_series(store, lake, series) == Counter({Put.KEPT: 2, Put.REPLACED: 1})
    assert set(findings(store, lake, series).values()) == {Finding.EQUAL}
    after = {path.name: path.read_bytes() for path in (place / FOLDER).iterdir()}
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"2024-01.parquet", "_index.json"}
    january = klines_of(pq.read_table(place / FOLDER / "2024-01.parquet", partitioning=None))
    assert january == stored_in(store, series, Range(JANUARY, FEBRUARY))


@pytest.mark.parametrize("index", [None, b"", b"{}", b'{"symbol": "X"}'])
def test_a_lost_index_is_made_again_from_the_files(
    store: Store, series: Series, lake: Lake, place: Path, index: bytes | None
) -> None:
    publish_series(store, lake, series)
    path = place / FOLDER / "_index.json"
    whole = path.read_bytes()
    path.unlink() if index is None else path.write_bytes(index)

    assert publish_series(store, lake, series) == Counter({Put.KEPT: 3})
    assert path.read_bytes() == whole


@pytest.mark.parametrize("damage", ["cut", "foreign", "other_rows", "text"])
def test_damage_is_told_and_mended(
    store: Store, series: Series, lake: Lake, place: Path, damage: str
) -> None:
    publish_series(store, lake, series)
    january, february = (place / FOLDER / f"2024-0{number}.parquet" for number in (1, 2))
    content = january.read_bytes()
    if damage == "cut":
        january.write_bytes(content[: len(content) // 2])
    elif damage == "foreign":
        january.write_bytes(february.read_bytes())
    elif damage == "other_rows":
        table = pq.read_table(january, partitioning=None)
        pq.write_table(table.slice(1), january)
    else:
        january.write_text("not a file of klines")

    found = findings(store, lake, series)

    expected = {"foreign": Finding.RESTATED, "other_rows": Finding.DIFFERENT}
    assert found.pop("2024-01") is expected.get(damage, Finding.DAMAGED)
    assert set(found.values()) == {Finding.EQUAL}
    assert publish_series(store, lake, series) == Counter({Put.KEPT: 2, Put.REPLACED: 1})
    assert set(findings(store, lake, series).values()) == {Finding.EQUAL}


def test_missing_and_extra_months_are_told(
    store: Store, series: Series, lake: Lake, place: Path
) -> None:
    publish_series(store, lake, series)
    (place / FOLDER / "2024-02.parquet").rename(place / FOLDER / "2019-02.parquet")

    found = findings(store, lake, series)

    assert found["2024-02"] is Finding.MISSING
    assert found["2019-02"] is Finding.EXTRA


def test_a_folder_of_another_series_is_refused(
    store: Store, series: Series, lake: Lake, place: Path
) -> None:
    publish_series(store, lake, series)
    path = place / FOLDER / "_index.json"
    path.write_text(path.read_text().replace('"1h"', '"1H"'))

    with pytest.raises(Conflict, match="1H"):
        publish_series(store, lake, series)


def test_a_lake_on_s3(
    store: Store, series: Series, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = s3_environment(s3_url, "lake")
    place = environment.pop("KLINECAST_ARTEFACTS_URL")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    lake = Lake(place)

    assert publish_series(store, lake, series) == Counter({Put.WRITTEN: 3})
    assert publish_series(store, lake, series) == Counter({Put.KEPT: 3})
    restate(store, series)
    assert publish_series(store, lake, series) == Counter({Put.KEPT: 2, Put.REPLACED: 1})
    assert set(findings(store, lake, series).values()) == {Finding.EQUAL}
    url = httpx.URL(s3_url)
    bucket = fs.S3FileSystem(
        access_key=url.username,
        secret_key=url.password,
        endpoint_override=f"{url.host}:{url.port}",
        scheme=url.scheme,
        region=os.environ["AWS_REGION"],
    )
    found = ds.dataset(
        f"{url.path.strip('/')}/lake/klines",
        filesystem=bucket,
        partitioning="hive",
        format="parquet",
    )
    assert found.count_rows() == sum(kline.open_time_ms < APRIL for kline in HOURS)


def test_a_store_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    series = add_series(store, "BTCUSDT", Interval.H1, HOURS)
    for name, value in s3_environment("http://key:secret@127.0.0.1:9/bucket").items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ServiceUnavailable, match="s3://bucket/lake"):
        publish_series(store, Lake("s3://bucket/lake"), series)
