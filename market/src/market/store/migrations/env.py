"""How Alembic reaches the store: over the connection that `market.store.schema` opened."""

from alembic import context
from sqlalchemy import Connection

from market.store.tables import metadata


def run(connection: Connection) -> None:
    """Run the pending migrations in the caller's transaction."""
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
