"""Reads of one statement: what is committed now, over connections that may have died."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, select

from market.errors import SchemaMismatch, StoreUnavailable
from market.interval import Interval
from market.store import open_store
from market.store import tables as t
from market.store.glance import Glance
from market.store.raw_rows import RawQuery
from support.databases import connect
from support.history_api import add_series, new_store
from support.klines import make_klines
from support.ports import free_port

OPENS = RawQuery(
    select(t.klines.c.open_time_ms)
    .where(t.klines.c.open_time_ms >= bindparam("start"))
    .order_by(t.klines.c.open_time_ms)
)
KLINES = make_klines(Interval.H1, 5)


@pytest.mark.parametrize("engine", ["sqlite", "mysql", "mariadb"])
def test_each_read_sees_what_is_committed(engine: str, request: pytest.FixtureRequest) -> None:
    store = new_store(request.getfixturevalue(f"{engine}_url"))
    glance = Glance(store)
    for count in (3, 5):
        add_series(store, "BTCUSDT", Interval.H1, KLINES[:count])

        rows = glance.read(OPENS, start=KLINES[1].open_time_ms)

        assert [int(row[0]) for row in rows] == [k.open_time_ms for k in KLINES[1:count]]
    glance.close()
    store.close()


def test_connection_that_died_is_replaced(mysql_url: str) -> None:
    store = new_store(mysql_url)
    add_series(store, "BTCUSDT", Interval.H1, KLINES)
    glance = Glance(store)
    glance.read(OPENS, start=0)
    other = connect(mysql_url)
    with other.cursor() as cursor:
        cursor.execute("SHOW PROCESSLIST")
        mine = [row for row in cursor.fetchall() if row[3] and row[3] in mysql_url]
        for row in mine:
            if row[0] != other.connection_id:
                cursor.execute(f"KILL {row[0]}")
    other.close()

    assert len(glance.read(OPENS, start=0)) == 5
    glance.close()
    store.close()


def test_store_that_is_away_is_named() -> None:
    glance = Glance(open_store(f"mysql://market:secret@127.0.0.1:{free_port()}/market"))

    with pytest.raises(StoreUnavailable, match="does not answer") as caught:
        glance.read(OPENS, start=0)
    assert "secret" not in caught.value.detail


def test_store_without_schema_is_told(mysql_url: str) -> None:
    glance = Glance(open_store(mysql_url))

    for _ in range(2):
        with pytest.raises(SchemaMismatch):
            glance.read(OPENS, start=0)
    glance.close()
