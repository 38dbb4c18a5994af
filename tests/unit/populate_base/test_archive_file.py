"""Names and ranges of the archive's files."""

from __future__ import annotations

import pytest

from market.interval import Interval
from market.store.klines import Source
from market.times import parse_time_ms
from populate_base.archive_file import ArchiveFile, Period


def at(text: str) -> int:
    return parse_time_ms("time", text)


def test_monthly_file_is_named_by_its_month() -> None:
    file = ArchiveFile("BTCUSDT", Interval.M1, Period.MONTHLY, at("2021-01-01"))

    assert file.path == "data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2021-01.zip"
    assert file.span == (at("2021-01-01"), at("2021-02-01"))
    assert file.slots == 31 * 1440


def test_daily_file_is_named_by_its_day() -> None:
    file = ArchiveFile("ETHUSDT", Interval.H1, Period.DAILY, at("2024-02-29"))

    assert file.path == "data/spot/daily/klines/ETHUSDT/1h/ETHUSDT-1h-2024-02-29.zip"
    assert file.span == (at("2024-02-29"), at("2024-03-01"))
    assert file.period.source is Source.ARCHIVE_DAILY


def test_month_interval_is_spelled_1mo() -> None:
    file = ArchiveFile("BTCUSDT", Interval.MO1, Period.MONTHLY, at("2021-01-01"))

    assert file.path == "data/spot/monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2021-01.zip"
    assert file.slots == 1


@pytest.mark.parametrize("interval", list(Interval))
def test_daily_files_are_offered_up_to_one_day(interval: Interval) -> None:
    longer_than_a_day = interval in (Interval.D3, Interval.W1, Interval.MO1)

    assert Period.DAILY.offers(interval) is not longer_than_a_day
    assert Period.MONTHLY.offers(interval)
