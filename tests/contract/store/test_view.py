from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from market.interval import Interval
from market.store import Store
from market.store.klines import write_klines
from market.store.symbols import Series
from support.klines import make_klines
from support.stores import BATCH, add_series, rows, stored

KLINES = make_klines(Interval.H1, 3)
COLUMNS = [
    "id",
    "open_price",
    "high_price",
    "low_price",
    "close_price",
    "volume",
    "quote_asset_volume",
    "number_of_trades",
    "kline_open_time_parsed",
    "kline_close_time_parsed",
    "symbol",
    "kline_interval",
]


def test_view_has_the_columns_analysts_know(store: Store) -> None:
    columns = inspect(store.engine).get_columns("historical_klines")

    assert [column["name"] for column in columns] == COLUMNS


def test_view_shows_a_kline(store: Store, series: Series) -> None:
    write_klines(store, series, KLINES[:1], BATCH)
    kline = KLINES[0]

    (row,) = rows(store, "SELECT * FROM historical_klines")

    assert row["symbol"] == "BTCUSDT"
    assert row["kline_interval"] == "1h"
    assert row["number_of_trades"] == kline.number_of_trades
    for column, value in {
        "open_price": kline.open,
        "high_price": kline.high,
        "low_price": kline.low,
        "close_price": kline.close,
        "volume": kline.volume,
        "quote_asset_volume": kline.quote_asset_volume,
    }.items():
        assert Decimal(row[column]) == Decimal(value)


def test_view_times_are_utc_whatever_the_session_says(store: Store, series: Series) -> None:
    write_klines(store, series, KLINES[:1], BATCH)

    with store.read() as connection:
        if not store.is_sqlite:
            connection.execute(text("SET SESSION time_zone = '+05:30'"))
        opened, closed = connection.execute(
            text("SELECT kline_open_time_parsed, kline_close_time_parsed FROM historical_klines")
        ).one()
        if not store.is_sqlite:
            connection.execute(text("SET SESSION time_zone = '+00:00'"))

    assert _read(opened) == datetime(2024, 1, 1)  # noqa: DTZ001  the column has no zone: it is UTC
    assert _read(closed) == datetime(2024, 1, 1, 0, 59, 59, 999_000)  # noqa: DTZ001  as above


def _read(value: str | datetime) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def test_view_ids_are_unique_over_all_series(store: Store) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        for interval in (Interval.M1, Interval.MO1):
            series = add_series(store, symbol, interval)
            write_klines(store, series, make_klines(interval, 5), BATCH)

    found = [row["id"] for row in rows(store, "SELECT id FROM historical_klines")]

    assert len(found) == len(set(found)) == 20


def test_view_tells_a_minute_from_a_month(store: Store) -> None:
    for interval, size in ((Interval.M1, 3), (Interval.MO1, 5)):
        series = add_series(store, "BTCUSDT", interval)
        write_klines(store, series, make_klines(interval, size), BATCH)

    months = rows(store, "SELECT id FROM historical_klines WHERE kline_interval = '1M'")

    assert len(months) == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE historical_klines SET open_price = 1",
        "UPDATE historical_klines SET number_of_trades = 1",
        "UPDATE historical_klines SET symbol = 'ETHUSDT'",
        "UPDATE historical_klines SET kline_interval = '1d'",
        "DELETE FROM historical_klines",
        "INSERT INTO historical_klines (open_price, symbol) VALUES (1, 'ETHUSDT')",
    ],
)
def test_view_is_read_only(store: Store, series: Series, statement: str) -> None:
    write_klines(store, series, KLINES, BATCH)

    with pytest.raises(DBAPIError), store.begin() as connection:
        connection.execute(text(statement))

    assert stored(store, series) == KLINES
