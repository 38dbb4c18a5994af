"""The accounts of the compose stack's MySQL: each service may do what it does."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from market.errors import SettingsError
from market.interval import Interval
from market.store import Store, open_store
from market.store.closed_klines import Arrival, write_closed
from market.store.kline_months import read_closed_months
from market.store.klines import Batch, Source, write_klines
from market.store.schema import migrate
from market.store.symbols import Series, Symbol, find_series, write_symbols, write_watermark
from support.databases import connect, fresh_database
from support.klines import make_klines

ACCOUNTS = Path(__file__).parents[3] / "up" / "mysql" / "accounts.sh"
HOURS = make_klines(Interval.H1, 24 * 60)


@pytest.fixture
def open_as(mariadb_server: str) -> Iterator[Callable[[str], Store]]:
    """Open a migrated store as a service, with the rights that the script grants it."""
    made: list[str] = []
    with fresh_database(mariadb_server) as url:
        owner = open_store(url)
        migrate(owner)
        connection = connect(url)
        opened = [owner]

        def open_as(service: str) -> Store:
            user = f"{service}{secrets.token_hex(3)}"
            made.append(user)
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'word'")
                cursor.execute(f"GRANT SELECT ON {make_url(url).database}.* TO '{user}'@'%'")
                for privileges, table in granted(service):
                    cursor.execute(
                        f"GRANT {privileges} ON {make_url(url).database}.{table} TO '{user}'@'%'"
                    )
            theirs = make_url(url).set(username=user, password="word")
            opened.append(open_store(theirs.render_as_string(hide_password=False)))
            return opened[-1]

        yield open_as
        for store in opened:
            store.close()
        with connection.cursor() as cursor:
            for user in made:
                cursor.execute(f"DROP USER '{user}'@'%'")
        connection.close()


def granted(service: str) -> list[tuple[str, str]]:
    found = re.findall(rf'allow {service} "([^"]+)" (.*)', ACCOUNTS.read_text())
    return [(privileges, table) for privileges, tables in found for table in tables.split()]


def know(store: Store) -> Series:
    write_symbols(store, [Symbol("BTCUSDT", "BTC", "USDT", "TRADING", "{}")], 1)
    with store.read() as connection:
        return find_series(connection, "BTCUSDT", Interval.H1)


def test_the_populator_may_write_klines(open_as: Callable[[str], Store]) -> None:
    store = open_as("populator")
    series = know(store)
    moved = HOURS[5]._replace(open_time_ms=HOURS[5].open_time_ms + 1)

    write_klines(store, series, HOURS[:700], Batch(Source.REST, "first", 1))
    write_klines(store, series, [moved], Batch(Source.REST, "again", 2), announce_from_ms=0)
    with store.begin() as connection:
        write_watermark(connection, series, HOURS[699].open_time_ms)
    arrival = Arrival(series, HOURS[700:], "stream", 3)

    assert write_closed(store, [arrival], announce_newest=1) == [series]


def test_the_history_api_reads_months_and_stamps_none(open_as: Callable[[str], Store]) -> None:
    populator, history = open_as("populator"), open_as("history")
    series = know(populator)
    write_klines(populator, series, HOURS, Batch(Source.REST, "first", 1))

    with history.read() as connection:
        assert len(read_closed_months(connection, series, None, None)) == 1
    with pytest.raises(SettingsError):
        write_klines(history, series, HOURS[:1], Batch(Source.REST, "other", 2))
