"""A store that is away, in the way, or not ours to change: one sentence each."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mysql.connector
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from market.errors import KlinecastError, SettingsError, StoreConflict, StoreUnavailable
from market.gaps import Cause, Gap
from market.interval import Interval
from market.store import Store, open_store
from market.store.champions import write_champion
from market.store.engine import parse_store_url
from market.store.forecast_ledger import append_forecast
from market.store.gap_ledger import write_gaps
from market.store.jobs import submit_job, take_job
from market.store.klines import Written, write_klines
from market.store.leases import release_lease, take_lease, this_process
from market.store.outbox import bury, confirm, read_outbox
from market.store.schema import migrate
from market.store.score_ledger import write_score_cards
from market.store.symbols import Series, write_watermark
from support.databases import connect
from support.klines import make_klines
from support.ledger_rows import make_card, make_forecast
from support.ports import free_port
from support.stores import BATCH, add_series

KLINES = make_klines(Interval.H1, 200)
#: For what SQLite does not have: connections, users, several writers.
servers = pytest.mark.parametrize("database", ["mariadb", "mysql", "tidb"], indirect=True)


def assert_one_sentence(error: KlinecastError, *words: str) -> None:
    assert "\n" not in error.detail
    assert "secret" not in error.detail + error.hint
    for word in words:
        assert word in error.detail


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", []),
        ("nonsense", []),
        ("sqlite://", []),
        ("sqlite:///:memory:", []),
        ("postgresql://user:secret@host/db", ["postgresql://user:***@host/db"]),
        ("mysql://user:secret@host:3306", ["mysql://user:***@host:3306"]),
        ("mysql://user:secret@host:port/db", []),
    ],
)
def test_url_that_names_no_store_is_a_wrong_setting(url: str, words: list[str]) -> None:
    with pytest.raises(SettingsError, match="sqlite:///path or mysql://") as caught:
        parse_store_url(url)

    assert_one_sentence(caught.value, "KLINECAST_STORE_URL", *words)


def test_server_that_is_not_there_is_unavailable() -> None:
    store = open_store(f"mysql://user:secret@127.0.0.1:{free_port()}/market")

    with pytest.raises(StoreUnavailable) as caught:
        store.ping()
    store.close()

    assert_one_sentence(caught.value, "user:***@127.0.0.1", "does not answer")
    assert "KLINECAST_STORE_URL" in caught.value.hint


@pytest.mark.parametrize("change", [{"password": "secret"}, {"database": "market_nothing"}])
def test_wrong_password_or_database_is_said(
    request: pytest.FixtureRequest, mysql_server: str, change: dict[str, str]
) -> None:
    url = make_url(mysql_server).set(**change)  # type: ignore[arg-type]
    store = open_store(url.render_as_string(hide_password=False))

    with pytest.raises((StoreUnavailable, SettingsError)) as caught:
        store.ping()
    store.close()

    assert_one_sentence(caught.value)


def test_sqlite_file_that_is_something_else_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is not a database" * 100)
    store = open_store(f"sqlite:///{path}")

    with pytest.raises(StoreUnavailable, match="not a database"):
        store.ping()
    store.close()


def test_sqlite_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(SettingsError, match="folder"):
        open_store(f"sqlite:///{tmp_path / 'file' / 'store.db'}")


@servers
def test_connection_that_was_lost_is_made_again(store: Store, series: Series) -> None:
    with store.read() as connection:
        number = connection.execute(text("SELECT CONNECTION_ID()")).scalar_one()
    killer = connect(store.engine.url.set(drivername="mysql").render_as_string(False))
    with killer.cursor() as cursor:
        cursor.execute(f"KILL {number}")
    killer.close()
    time.sleep(0.1)

    assert write_klines(store, series, KLINES, BATCH) == Written(200, 0)


@servers
def test_connection_lost_within_a_view_is_one_sentence(store: Store, series: Series) -> None:
    def lose() -> None:
        with store.read() as connection:
            number = connection.execute(text("SELECT CONNECTION_ID()")).scalar_one()
            killer = connect(store.engine.url.set(drivername="mysql").render_as_string(False))
            with killer.cursor() as cursor:
                cursor.execute(f"KILL {number}")
            killer.close()
            time.sleep(0.1)

    # The end of the view is all that meets the lost connection.
    with pytest.raises(StoreUnavailable, match="does not answer"):
        lose()
    store.ping()


@servers
def test_lock_held_by_another_is_a_conflict_that_may_be_retried(
    store: Store, series: Series
) -> None:
    def wait_in_vain() -> None:
        with store.begin() as connection:
            connection.execute(text("SET SESSION innodb_lock_wait_timeout = 1"))
            connection.execute(text("UPDATE symbols SET status = 'B'"))

    with store.begin() as connection:
        connection.execute(text("UPDATE symbols SET status = 'A'"))
        with pytest.raises(StoreConflict):
            wait_in_vain()

    assert write_klines(store, series, KLINES, BATCH) == Written(200, 0)


@servers
def test_deadlock_ends_with_both_transactions_done(store: Store) -> None:
    numbers = [add_series(store, name, Interval.H1).symbol_id for name in ("AUSDT", "BUSDT")]
    meeting = threading.Barrier(2)
    tries = [0, 0]

    def cross(which: int) -> None:
        def work(connection: Connection) -> None:
            tries[which] += 1
            first, second = numbers if which == 0 else reversed(numbers)
            _touch(connection, first)
            if tries[which] == 1:
                meeting.wait(30)
            _touch(connection, second)

        store.transact(work)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(cross, (0, 1)))

    assert sum(tries) > 2
    with store.read() as connection:
        seen = [row.last_seen_ms for row in connection.execute(text("SELECT * FROM symbols"))]
    assert seen == [3, 3]


def _touch(connection: Connection, number: int) -> None:
    connection.execute(
        text("UPDATE symbols SET last_seen_ms = last_seen_ms + 1 WHERE id = :number"),
        {"number": number},
    )


@pytest.fixture
def servant(store: Store) -> Iterator[Callable[[], Store]]:
    """Open the store as a user who may read and write rows and nothing else."""
    name = f"servant_{secrets.token_hex(4)}"
    owner = store.engine.url.set(drivername="mysql")
    statements = [
        f"CREATE USER '{name}'@'%' IDENTIFIED BY 'secret'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {owner.database}.* TO '{name}'@'%'",
    ]
    if not _run(owner.render_as_string(False), statements):
        _run(owner.render_as_string(False), [f"DROP USER IF EXISTS '{name}'@'%'"])
        pytest.skip("the server's user may not make other users")
    opened: list[Store] = []

    def open_as_servant() -> Store:
        url = owner.set(username=name, password="secret")
        opened.append(open_store(url.render_as_string(False)))
        return opened[-1]

    yield open_as_servant
    for one in opened:
        one.close()
    _run(owner.render_as_string(False), [f"DROP USER '{name}'@'%'"])


def _run(url: str, statements: list[str]) -> bool:
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    except mysql.connector.Error as error:
        if error.errno in (1227, 8121):
            return False
        raise
    finally:
        connection.close()
    return True


@servers
def test_least_privilege_is_enough_for_all_but_migrate(servant: Callable[[], Store]) -> None:
    store = servant()
    store.check_schema()
    series = add_series(store, "BTCUSDT", Interval.H1)

    assert write_klines(store, series, KLINES, BATCH) == Written(200, 0)
    changed = [kline._replace(close="1.00000000") for kline in KLINES]
    assert write_klines(store, series, changed, BATCH, announce_from_ms=0) == Written(0, 200)
    append_forecast(store, make_forecast())
    submit_job(store, "training", {}, 1)
    assert take_job(store, "training", "worker", 1, 1) is not None
    write_score_cards(store, [make_card()])
    with store.begin() as connection:
        write_gaps(connection, series, (0, 9), [Gap(1, 2, Cause.OUTAGE)], 1)
        write_watermark(connection, series, 1)
        write_champion(connection, series, "ridge", "ridge-1", 1, "")
        letters = read_outbox(connection, 201)
        bury(connection, letters[0], "refused", 1)
        assert confirm(connection, letters) == letters[1:]
    holder = this_process()
    assert take_lease(store, "relay", holder, 1).holder == holder
    assert release_lease(store, "relay", holder)


@servers
def test_migrate_without_the_right_is_said(servant: Callable[[], Store], store: Store) -> None:
    with store.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))

    try:
        with pytest.raises(SettingsError, match="KLINECAST_STORE_URL") as caught:
            migrate(servant())
    finally:
        migrate(store)

    assert_one_sentence(caught.value, "servant_")


@servers
def test_a_connection_lost_between_two_statements_is_a_store_that_is_away(store: Store) -> None:
    def lose_it() -> None:
        with store.begin() as connection:
            dropped = connection.connection.dbapi_connection
            assert dropped is not None
            dropped.close()
            connection.execute(text("SELECT 1"))

    with pytest.raises(StoreUnavailable):
        lose_it()
