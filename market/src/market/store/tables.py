"""The tables of the store, for both engines.

Decimals are DECIMAL on MySQL and the text Binance wrote on SQLite; every time is UTC epoch
milliseconds; `key` and `index` are quoted by SQLAlchemy where the engine reserves them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

from market.store.types import document, exact, number, row_id

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def price() -> TypeEngine[Any]:
    """Return a price in the quote currency."""
    return number(20, 8)


def amount() -> TypeEngine[Any]:
    """Return a traded amount."""
    return number(28, 8)


def _series() -> tuple[Column[Any], Column[Any]]:
    return (
        Column("symbol_id", Integer, ForeignKey("symbols.id"), nullable=False),
        Column("interval_id", SmallInteger, nullable=False),
    )


def _kline_values() -> list[Column[Any]]:
    return [
        Column("open", price(), nullable=False),
        Column("high", price(), nullable=False),
        Column("low", price(), nullable=False),
        Column("close", price(), nullable=False),
        Column("volume", amount(), nullable=False),
        Column("close_time_ms", BigInteger, nullable=False),
        Column("quote_asset_volume", amount(), nullable=False),
        Column("number_of_trades", BigInteger, nullable=False),
        Column("taker_buy_base_asset_volume", amount(), nullable=False),
        Column("taker_buy_quote_asset_volume", amount(), nullable=False),
        Column("ignore", exact(40), nullable=False),
        Column("irregular", Boolean(create_constraint=False), nullable=False),
        Column("batch_id", BigInteger, nullable=False),
    ]


symbols = Table(
    "symbols",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("venue", exact(16), nullable=False),
    Column("symbol", exact(32), nullable=False),
    Column("base_asset", exact(16), nullable=False),
    Column("quote_asset", exact(16), nullable=False),
    Column("status", exact(32), nullable=False),
    Column("info", document(), nullable=False),
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
    # The open time of the first kline ever, and the end of the last one of a symbol gone.
    Column("listed_ms", BigInteger),
    Column("delisted_ms", BigInteger),
    # The symbol it goes on as, where it was renamed.
    Column("successor", exact(32)),
    # When somebody first asked for its klines; null for what only a snapshot told of.
    Column("registered_ms", BigInteger),
    UniqueConstraint("venue", "symbol"),
)

#: What the exchange said of a symbol, from each time on at which that changed.
symbol_states = Table(
    "symbol_states",
    metadata,
    Column("id", row_id(), primary_key=True, autoincrement=True),
    Column("symbol_id", Integer, ForeignKey("symbols.id"), nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("status", exact(32), nullable=False),
    Column("info", document(), nullable=False),
    UniqueConstraint("symbol_id", "since_ms"),
)

intervals = Table(
    "intervals",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", exact(4), nullable=False, unique=True),
)

klines = Table(
    "klines",
    metadata,
    Column("symbol_id", Integer, primary_key=True, autoincrement=False),
    Column("interval_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("open_time_ms", BigInteger, primary_key=True, autoincrement=False),
    *_kline_values(),
    sqlite_with_rowid=False,
)

#: Rows on their way into `klines`, a set for each batch; empty between writes.
kline_staging = Table(
    "kline_staging",
    metadata,
    Column("symbol_id", Integer, nullable=False),
    Column("interval_id", SmallInteger, nullable=False),
    Column("open_time_ms", BigInteger, nullable=False),
    *_kline_values(),
    PrimaryKeyConstraint("batch_id", "open_time_ms"),
    sqlite_with_rowid=False,
)

ingest_batches = Table(
    "ingest_batches",
    metadata,
    Column("id", row_id(), primary_key=True, autoincrement=True),
    *_series(),
    Column("source", exact(16), nullable=False),
    Column("url", document(), nullable=False),
    Column("sha256", exact(64)),
    Column("fetched_at_ms", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    # The archive's own mark of a file's content, and when it last still had that content.
    Column("etag", exact(80)),
    Column("checked_at_ms", BigInteger),
    # What the months bear that it changed; 0 where it was to change none.
    Column("stamp", BigInteger, nullable=False),
    Index(None, "symbol_id", "interval_id"),
)

#: Of every month, by open time, that holds a kline: a random number, drawn anew with each change.
kline_months = Table(
    "kline_months",
    metadata,
    Column("symbol_id", Integer, ForeignKey("symbols.id"), primary_key=True, autoincrement=False),
    Column("interval_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("month_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("stamp", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

kline_revisions = Table(
    "kline_revisions",
    metadata,
    Column("id", row_id(), primary_key=True, autoincrement=True),
    *_series(),
    Column("open_time_ms", BigInteger, nullable=False),
    *_kline_values(),
    Column("replaced_at_ms", BigInteger, nullable=False),
    Column("replaced_by_batch_id", BigInteger, nullable=False),
    Index(None, "symbol_id", "interval_id", "open_time_ms"),
)

gaps = Table(
    "gaps",
    metadata,
    Column("id", row_id(), primary_key=True, autoincrement=True),
    *_series(),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("cause", exact(16), nullable=False),
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("resolved_ms", BigInteger),
    UniqueConstraint("symbol_id", "interval_id", "start_ms", "end_ms", "first_seen_ms"),
    CheckConstraint("start_ms < end_ms", name="range"),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("symbol_id", Integer, ForeignKey("symbols.id"), primary_key=True, autoincrement=False),
    Column("interval_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("open_time_ms", BigInteger, nullable=False),
)

#: Every stored kline that opens before this was confirmed by the archive or by REST.
confirmations = Table(
    "confirmations",
    metadata,
    Column("symbol_id", Integer, ForeignKey("symbols.id"), primary_key=True, autoincrement=False),
    Column("interval_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("open_time_ms", BigInteger, nullable=False),
)

#: The request weight used of a venue in its running minute, by every process of this address.
request_weight = Table(
    "request_weight",
    metadata,
    Column("venue", exact(16), primary_key=True),
    Column("window_ms", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("limit_1m", BigInteger, nullable=False),
    Column("banned_until_ms", BigInteger),
    Column("changed_ms", BigInteger, nullable=False),
)

forecasts = Table(
    "forecasts",
    metadata,
    Column("id", row_id(), primary_key=True, autoincrement=True),
    *_series(),
    Column("model", exact(32), nullable=False),
    Column("version", exact(64), nullable=False),
    Column("cutoff_ms", BigInteger, nullable=False),
    Column("made_at_ms", BigInteger, nullable=False),
    Column("payload", document(), nullable=False),
    Column("previous_hash", exact(64), nullable=False),
    Column("hash", exact(64), nullable=False),
    UniqueConstraint("symbol_id", "interval_id", "version", "cutoff_ms"),
    # Two writers can't both continue the chain from the same row.
    UniqueConstraint("symbol_id", "interval_id", "model", "previous_hash"),
    Index(None, "symbol_id", "interval_id", "cutoff_ms"),
)

#: The score cards of walk-forward evaluations ("replay") and of live forecasts ("live").
score_cards = Table(
    "score_cards",
    metadata,
    *_series(),
    Column("model", exact(32), nullable=False),
    Column("version", exact(64), nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("kind", exact(8), nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("card", document(), nullable=False),
    PrimaryKeyConstraint("symbol_id", "interval_id", "version", "step", "kind"),
)

#: The artefact served for each series; the newest row is the present one.
champions = Table(
    "champions",
    metadata,
    Column("id", row_id(), primary_key=True, autoincrement=True),
    *_series(),
    Column("model", exact(32), nullable=False),
    Column("version", exact(64), nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("reason", document(), nullable=False),
    Index(None, "symbol_id", "interval_id"),
)

#: What changed and is not yet in Elasticsearch. The stamp is drawn anew with each announcement.
outbox = Table(
    "outbox",
    metadata,
    Column("index", exact(16), primary_key=True),
    Column("key", exact(160), primary_key=True),
    Column("changed_at_ms", BigInteger, nullable=False),
    Column("stamp", BigInteger, nullable=False, server_default="0"),
    Index(None, "changed_at_ms"),
)

#: What Elasticsearch refused for good, and why; the stamp is that of the refused announcement.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("index", exact(16), primary_key=True),
    Column("key", exact(160), primary_key=True),
    Column("reason", document(), nullable=False),
    Column("failed_at_ms", BigInteger, nullable=False),
    Column("stamp", BigInteger, nullable=False, server_default="0"),
)

#: Who alone may do a thing, until when by the database's clock. The token tells processes
#: of one name apart.
leases = Table(
    "leases",
    metadata,
    Column("name", exact(160), primary_key=True),
    Column("holder", exact(80), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", exact(32), primary_key=True),
    Column("kind", exact(16), nullable=False),
    Column("state", exact(16), nullable=False),
    Column("request", document(), nullable=False),
    Column("progress", Double(), nullable=False),
    Column("steps", document(), nullable=False),
    Column("error", document()),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("lease_owner", exact(64)),
    Column("lease_until_ms", BigInteger),
    # One queued or running job a request: the digest of (kind, request), cleared at the end.
    Column("active_key", exact(64), unique=True),
    Index(None, "kind", "state"),
)
