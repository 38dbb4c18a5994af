"""Migrating the store's schema, and telling which one it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from market.errors import StoreUnavailable
from market.store.engine import Store

_PATIENCE_S = 60


def migrate(store: Store, revision: str | None = None) -> tuple[str | None, str]:
    """Bring the schema to this version's, or only up to an older `revision`.

    Returns the revisions before and after. Needs the owner's rights. Running it again
    changes nothing.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    config, wanted = _config(), revision or head_revision()

    def work(connection: Connection) -> str | None:
        with _alone(connection):
            before = current_revision(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, wanted)
        return before

    return store.transact(work), wanted


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Keep other migrations out: on MySQL each statement on the schema commits by itself."""
    if connection.dialect.name == "sqlite":  # its transactions cover the schema too
        yield
        return
    name = f"klinecast:{connection.engine.url.database}"[:64]
    query = select(func.get_lock(name, _PATIENCE_S))
    if connection.execute(query).scalar_one() != 1:
        raise StoreUnavailable(f"another migration of the store has not ended in {_PATIENCE_S} s")
    try:
        yield
    finally:
        connection.execute(select(func.release_lock(name)))


def current_revision(connection: Connection) -> str | None:
    """Return the revision of the schema, `None` where there is none yet."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def head_revision() -> str:
    """Return the revision this version of Klinecast needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise AssertionError("the package holds no migration")
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
