"""Users, tokens, sessions, what they used, wrong passwords and the audit log."""

import sqlalchemy as sa
from alembic import op

from market.store.types import document, exact, row_id

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; also where an earlier try was cut off."""
    _add_users()
    _add_tokens()
    _add_sessions()
    op.create_table(
        "audit",
        sa.Column("id", row_id(), autoincrement=True, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", exact(80), nullable=False),
        sa.Column("address", exact(64), nullable=False),
        sa.Column("action", exact(32), nullable=False),
        sa.Column("subject", exact(80), nullable=False),
        sa.Column("detail", document(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        if_not_exists=True,
    )
    _index(op.f("ix_audit_at_ms"), "audit", ["at_ms"])


def _index(name: str, table: str, columns: list[str]) -> None:
    # MySQL knows no CREATE INDEX IF NOT EXISTS.
    present = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
    if name not in present:
        op.create_index(name, table, columns)


def _user_id(*, nullable: bool) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("user_id", kind, nullable=nullable)


def _add_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", row_id(), autoincrement=True, nullable=False),
        sa.Column("name", exact(64), nullable=False),
        sa.Column("role", exact(16), nullable=False),
        sa.Column("password", exact(255), nullable=False),
        sa.Column("monthly_quota", sa.BigInteger()),
        sa.Column("rate_per_s", sa.Integer()),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        if_not_exists=True,
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("subject", exact(64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("blocked_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_sign_in_failures")),
        if_not_exists=True,
    )
    _index(op.f("ix_sign_in_failures_changed_ms"), "sign_in_failures", ["changed_ms"])


def _add_tokens() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("public_id", exact(16), nullable=False),
        sa.Column("hash", exact(64), nullable=False),
        sa.Column("previous_hash", exact(64)),
        sa.Column("previous_until_ms", sa.BigInteger()),
        sa.Column("label", exact(80), nullable=False),
        _user_id(nullable=True),
        sa.Column("scopes", exact(64), nullable=False),
        sa.Column("monthly_quota", sa.BigInteger()),
        sa.Column("rate_per_s", sa.Integer()),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger()),
        sa.Column("revoked_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("public_id", name=op.f("pk_api_tokens")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id")),
        if_not_exists=True,
    )
    _index(op.f("ix_api_tokens_user_id"), "api_tokens", ["user_id"])
    op.create_table(
        "api_usage",
        sa.Column("account", exact(40), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("free_at_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_api_usage")),
        if_not_exists=True,
    )


def _add_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("hash", exact(64), nullable=False),
        _user_id(nullable=False),
        sa.Column("address", exact(64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        if_not_exists=True,
    )
    _index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])
    _index(op.f("ix_sessions_expires_ms"), "sessions", ["expires_ms"])
