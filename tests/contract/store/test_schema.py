from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from market.errors import SchemaMismatch
from market.store import Store, open_store
from market.store.outbox import DeadLetter, announce, confirm, read_dead_letters, read_outbox
from market.store.schema import head_revision, migrate
from market.store.symbols import read_symbols
from market.store.tables import metadata


def test_migrate_twice_changes_nothing(empty_url: str) -> None:
    store = open_store(empty_url)

    first = migrate(store)
    second = migrate(store)
    store.close()

    assert first == (None, head_revision())
    assert second == (head_revision(), head_revision())


def test_migrated_schema_is_the_tables(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_schema_holds_every_index_and_key(store: Store) -> None:
    inspector = inspect(store.engine)

    for table in metadata.tables.values():
        named = {index["name"] for index in inspector.get_indexes(table.name)}
        assert {str(index.name) for index in table.indexes} <= named
        key = inspector.get_pk_constraint(table.name)["constrained_columns"]
        assert key == [column.name for column in table.primary_key.columns], table.name


def test_migrations_at_once_leave_one_schema(empty_url: str) -> None:
    def run() -> None:
        store = open_store(empty_url)
        migrate(store)
        store.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(run) for _ in range(4)]:
            done.result()

    store = open_store(empty_url)
    store.check_schema()
    store.close()


def test_migration_that_was_cut_off_can_be_run_again(empty_url: str) -> None:
    store = open_store(empty_url)
    migrate(store)
    with store.begin() as connection:  # as it looks when it ended half-way
        connection.execute(text("DELETE FROM alembic_version"))
        connection.execute(text("DROP VIEW historical_klines"))
        connection.execute(text("DROP TABLE watermarks"))
        connection.execute(text("DELETE FROM intervals WHERE id > 9"))

    migrate(store)

    store.check_schema()
    with store.read() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM intervals")).scalar_one() == 16
        assert connection.execute(text("SELECT COUNT(*) FROM historical_klines")).scalar_one() == 0
    store.close()


def test_announcements_of_the_first_schema_are_kept(empty_url: str) -> None:
    store = open_store(empty_url)
    migrate(store, "0001")
    with store.begin() as connection:
        connection.execute(text("INSERT INTO outbox VALUES ('klines', 'a', 5), ('klines', 'b', 6)"))
        connection.execute(text("INSERT INTO dead_letters VALUES ('klines', 'c', 'refused', 7)"))
    with pytest.raises(SchemaMismatch, match="0001"):
        store.check_schema()

    assert migrate(store) == ("0001", head_revision())

    with store.begin() as connection:
        old = read_outbox(connection, 10)
        announce(connection, "klines", ["a"], 5)
        confirm(connection, old)
        assert [one.key for one in read_outbox(connection, 10)] == ["a"]
        assert read_dead_letters(connection) == [DeadLetter("klines", "c", "refused", 7, 0)]
    store.close()


def test_check_schema_refuses_an_empty_database(empty_url: str) -> None:
    store = open_store(empty_url)

    with pytest.raises(SchemaMismatch, match="missing") as caught:
        store.check_schema()
    store.close()

    assert "klinecast-market migrate" in caught.value.hint


def test_check_schema_refuses_another_version(empty_url: str) -> None:
    store = open_store(empty_url)
    migrate(store)
    with store.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(SchemaMismatch, match="9999"):
        store.check_schema()
    store.close()


def test_missing_table_is_said_in_one_sentence(empty_url: str) -> None:
    store = open_store(empty_url)

    with pytest.raises(SchemaMismatch, match="symbols") as caught, store.read() as connection:
        read_symbols(connection)
    store.close()

    assert "klinecast-market migrate" in caught.value.hint
