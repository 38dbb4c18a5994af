"""Every recorded kline file goes in by `import`, or is refused by one line."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from market.errors import DataError
from market.interval import Interval
from market.store import Store
from market.store.symbols import Series
from populate_base.file_import import Importer, ImportReport
from populate_base.file_klines import Rules
from support.populator import stored_klines
from support.recordings import recorded
from support.stores import add_series

#: 2026-06-01: after the newest recorded kline.
LATER_MS = 1_780_272_000_000


def bring(store: Store, file: Path, **how: bool) -> tuple[Series, ImportReport]:
    symbol, interval = file.name.split("_")[:2]
    series = add_series(store, symbol, Interval.parse(interval))
    return series, Importer(store, Rules(LATER_MS, **how)).run(series, file)


@pytest.mark.parametrize(
    "name",
    [
        "klines_1h/BTCUSDT_1h_2017-08-17_2023-12-31.csv.gz",
        "klines_1h/ETHUSDT_1h_2022-01-01_2023-12-31.csv.gz",
        "klines_1h/ETHUSDT_1h_2024-01-01_2026-05-13.csv.gz",
        "klines_1h/ARBUSDT_1h_2023-04-23_2024-06-25.csv.gz",
        "klines_1d/BTCUSDT_1d_2017-08-17_2023-12-31.csv.gz",
        "klines_1d/ETHUSDT_1d_2022-01-01_2024-08-19.csv.gz",
    ],
)
def test_whole_klines_go_in_digit_by_digit(store: Store, name: str) -> None:
    file = recorded(name)

    series, report = bring(store, file)

    with gzip.open(file, "rt") as text:
        rows = list(csv.reader(text))[1:]
    stored = stored_klines(store, series)
    assert [list(map(str, kline)) for kline in stored] == rows
    assert (report.klines, report.inserted) == (len(rows), len(rows))


def test_a_messy_download_goes_in_where_asked_and_says_what_it_mended(store: Store) -> None:
    file = recorded("messy/BTCUSDT_1h_2017-08-17_2020-12-08_full12_REST_with_artefacts_*.csv.gz")

    with pytest.raises(DataError, match="has no offset"):
        bring(store, file)
    with pytest.raises(DataError, match="at most 20 digits and 8 decimals"):
        bring(store, file, naive_is_utc=True)
    series, report = bring(store, file, naive_is_utc=True, salvage=True)

    assert len(stored_klines(store, series)) == report.klines == report.inserted
    assert report.tally.rows == report.klines + report.tally.superseded + report.tally.repeated
    assert report.tally.superseded > 0
    assert report.tally.rounded > 1_000


def test_a_file_of_ohlcv_alone_is_refused(store: Store) -> None:
    file = recorded("klines_1h/LUNAUSDT_1h_2021-04-04_2023-12-30_OHLCV.csv.gz")

    with pytest.raises(DataError, match=r"lacks close_time, quote_asset_volume, number_of_trades"):
        bring(store, file)
