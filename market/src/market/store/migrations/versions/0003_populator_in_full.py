"""The weight budget, what was known of symbols and files when, and confirmed klines."""

import sqlalchemy as sa
from alembic import op

from market.store.types import document, exact, row_id

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the tables; also where an earlier try was cut off."""
    _add("symbols", sa.Column("listed_ms", sa.BigInteger()))
    _add("symbols", sa.Column("delisted_ms", sa.BigInteger()))
    _add("symbols", sa.Column("successor", exact(32)))
    _add("symbols", sa.Column("registered_ms", sa.BigInteger()))
    # Until now a symbol was only written because its klines were wanted.
    known = sa.table("symbols", sa.column("registered_ms"), sa.column("first_seen_ms"))
    op.execute(known.update().values(registered_ms=known.c.first_seen_ms))
    _add("ingest_batches", sa.Column("etag", exact(80)))
    _add("ingest_batches", sa.Column("checked_at_ms", sa.BigInteger()))
    op.create_table(
        "symbol_states",
        sa.Column("id", row_id(), autoincrement=True, nullable=False),
        sa.Column("symbol_id", sa.Integer(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", exact(32), nullable=False),
        sa.Column("info", document(), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol_id"], ["symbols.id"], name=op.f("fk_symbol_states_symbol_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_symbol_states")),
        sa.UniqueConstraint(
            "symbol_id", "since_ms", name=op.f("uq_symbol_states_symbol_id_since_ms")
        ),
        if_not_exists=True,
    )
    op.create_table(
        "confirmations",
        sa.Column("symbol_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("open_time_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol_id"], ["symbols.id"], name=op.f("fk_confirmations_symbol_id")
        ),
        sa.PrimaryKeyConstraint("symbol_id", "interval_id", name=op.f("pk_confirmations")),
        if_not_exists=True,
    )
    op.create_table(
        "request_weight",
        sa.Column("venue", exact(16), nullable=False),
        sa.Column("window_ms", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("limit_1m", sa.BigInteger(), nullable=False),
        sa.Column("banned_until_ms", sa.BigInteger()),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("venue", name=op.f("pk_request_weight")),
        if_not_exists=True,
    )


def _add(table: str, column: sa.Column[object]) -> None:
    present = {known["name"] for known in sa.inspect(op.get_bind()).get_columns(table)}
    if column.name not in present:
        op.add_column(table, column)
