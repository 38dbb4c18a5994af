"""Migrating the store's schema, and telling which one it is."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from market.store.engine import Store


def migrate(store: Store) -> tuple[str | None, str]:
    """Bring the schema to this version's; return the revisions before and after.

    Needs the owner's rights. Running it again changes nothing.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    config = _config()
    with store.begin() as connection:
        before = current_revision(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, head_revision()


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
