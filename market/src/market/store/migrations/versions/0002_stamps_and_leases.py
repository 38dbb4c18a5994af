"""Stamps, by which each announcement is told from every other one, and leases."""

import sqlalchemy as sa
from alembic import op

from market.store.types import exact

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table; also where an earlier try was cut off."""
    for table in ("outbox", "dead_letters"):
        _stamp(table)
    op.create_table(
        "leases",
        sa.Column("name", exact(160), nullable=False),
        sa.Column("holder", exact(80), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
        if_not_exists=True,
    )


def _stamp(table: str) -> None:
    present = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
    if "stamp" not in present:
        # Rows of before get 0, which no announcement draws: the next one differs from them.
        # A writer of before that still runs can go on, no less exactly than it did.
        stamp = sa.Column("stamp", sa.BigInteger(), nullable=False, server_default="0")
        op.add_column(table, stamp)
