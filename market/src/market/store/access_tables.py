"""The tables of access: who may come in, with what, how often, and what administrators did.

No table holds what opens a door: tokens and sessions are SHA-256 digests of random values,
passwords are argon2 hashes. Times are UTC epoch milliseconds by the database's clock.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table

from market.store.tables import metadata
from market.store.types import document, exact, row_id

users = Table(
    "users",
    metadata,
    Column("id", row_id(), primary_key=True, autoincrement=True),
    Column("name", exact(64), nullable=False, unique=True),
    Column("role", exact(16), nullable=False),
    Column("password", exact(255), nullable=False),
    # What a user's sessions and own tokens may do together; no limit where there is none.
    Column("monthly_quota", BigInteger),
    Column("rate_per_s", Integer),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)

#: A token is found by its public id and proved by its secret, of which this is the digest.
api_tokens = Table(
    "api_tokens",
    metadata,
    Column("public_id", exact(16), primary_key=True),
    Column("hash", exact(64), nullable=False),
    # The secret before the last rotation, while it is still taken.
    Column("previous_hash", exact(64)),
    Column("previous_until_ms", BigInteger),
    Column("label", exact(80), nullable=False),
    Column("user_id", BigInteger().with_variant(Integer(), "sqlite"), ForeignKey("users.id")),
    Column("scopes", exact(64), nullable=False),
    Column("monthly_quota", BigInteger),
    Column("rate_per_s", Integer),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    Index(None, "user_id"),
)

#: What an account (`token:ID`, `user:ID`) used in its running month, and from when on its
#: next request is within its rate.
api_usage = Table(
    "api_usage",
    metadata,
    Column("account", exact(40), primary_key=True),
    Column("month", Integer, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("free_at_us", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", exact(64), primary_key=True),
    Column(
        "user_id",
        BigInteger().with_variant(Integer(), "sqlite"),
        ForeignKey("users.id"),
        nullable=False,
    ),
    Column("address", exact(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Index(None, "user_id"),
    Index(None, "expires_ms"),
)

#: Wrong passwords in a row, by the digest of a user's name or of an address.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("subject", exact(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("blocked_until_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Index(None, "changed_ms"),
)

#: Who did what to whom, from where; only ever added to.
audit = Table(
    "audit",
    metadata,
    Column("id", row_id(), primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", exact(80), nullable=False),
    Column("address", exact(64), nullable=False),
    Column("action", exact(32), nullable=False),
    Column("subject", exact(80), nullable=False),
    Column("detail", document(), nullable=False),
    Index(None, "at_ms"),
)
