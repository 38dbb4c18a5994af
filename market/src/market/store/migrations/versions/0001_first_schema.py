"""The first schema: klines with provenance, gaps, forecasts, outbox and jobs."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from market.interval import Interval
from market.store.types import document, exact, number, row_id

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The names analysts know. `id` is unique over all series: 16 bits of symbol, 5 of
# interval, 42 of open time. On MySQL a plain column of a view could be written through
# it; an expression can't.
_VIEW = """
CREATE VIEW historical_klines AS
SELECT (k.symbol_id * 32 + k.interval_id) * 4398046511104 + k.open_time_ms AS id,
       {open} AS open_price,
       {high} AS high_price,
       {low} AS low_price,
       {close} AS close_price,
       {volume} AS volume,
       {quote_asset_volume} AS quote_asset_volume,
       {number_of_trades} AS number_of_trades,
       {open_time_ms} AS kline_open_time_parsed,
       {close_time_ms} AS kline_close_time_parsed,
       {symbol} AS symbol,
       {name} AS kline_interval
  FROM klines k
  JOIN symbols s ON s.id = k.symbol_id
  JOIN intervals i ON i.id = k.interval_id
"""
_PRICES = ("open", "high", "low", "close")
_AMOUNTS = ("volume", "quote_asset_volume")
_TIMES = ("open_time_ms", "close_time_ms")


def upgrade() -> None:
    """Make the schema; also where an earlier try was cut off, which MySQL can't undo."""
    _create_tables()
    _fill_intervals()
    op.get_bind().exec_driver_sql("DROP VIEW IF EXISTS historical_klines")
    # exec_driver_sql spares the driver's format markers, which strftime's % would look like.
    if op.get_bind().dialect.name == "sqlite":
        op.get_bind().exec_driver_sql(_VIEW.format(**_sqlite_columns()))
    else:
        op.get_bind().exec_driver_sql(_VIEW.format(**_mysql_columns()))


def _sqlite_columns() -> dict[str, str]:
    plain = {name: f"k.{name}" for name in (*_PRICES, *_AMOUNTS, "number_of_trades")}
    times = {
        name: f"strftime('%Y-%m-%d %H:%M:%f', k.{name} / 1000.0, 'unixepoch')" for name in _TIMES
    }
    return {**plain, **times, "symbol": "s.symbol", "name": "i.name"}


def _mysql_columns() -> dict[str, str]:
    prices = {name: f"CAST(k.{name} AS DECIMAL(20, 8))" for name in _PRICES}
    amounts = {name: f"CAST(k.{name} AS DECIMAL(28, 8))" for name in _AMOUNTS}
    times = {
        name: f"TIMESTAMPADD(MICROSECOND, k.{name} * 1000, TIMESTAMP '1970-01-01 00:00:00')"
        for name in _TIMES
    }
    trades = {"number_of_trades": "CAST(k.number_of_trades AS SIGNED)"}
    # CONCAT of one keeps the column's case-sensitive collation, a CAST would not.
    names = {"symbol": "CONCAT(s.symbol)", "name": "CONCAT(i.name)"}
    return {**prices, **amounts, **times, **trades, **names}


def _fill_intervals() -> None:
    intervals = sa.table("intervals", sa.column("id"), sa.column("name"))
    present = set(op.get_bind().execute(sa.select(intervals.c.id)).scalars())
    missing = [{"id": i.number, "name": i.value} for i in Interval if i.number not in present]
    if missing:
        op.bulk_insert(intervals, missing)


def _table(name: str, *parts: Any, **options: Any) -> None:
    op.create_table(name, *parts, if_not_exists=True, **options)


def _index(name: str, table: str, columns: list[str]) -> None:
    # MySQL knows no CREATE INDEX IF NOT EXISTS.
    present = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
    if name not in present:
        op.create_index(name, table, columns)


def _create_tables() -> None:
    _table(
        "dead_letters",
        sa.Column("index", exact(16), nullable=False),
        sa.Column("key", exact(160), nullable=False),
        sa.Column("reason", document(), nullable=False),
        sa.Column("failed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("index", "key", name=op.f("pk_dead_letters")),
    )
    _table(
        "intervals",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", exact(4), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intervals")),
        sa.UniqueConstraint("name", name=op.f("uq_intervals_name")),
    )
    _table(
        "jobs",
        sa.Column("id", exact(32), nullable=False),
        sa.Column("kind", exact(16), nullable=False),
        sa.Column("state", exact(16), nullable=False),
        sa.Column("request", document(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("steps", document(), nullable=False),
        sa.Column("error", document(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", exact(64), nullable=True),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("active_key", exact(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("active_key", name=op.f("uq_jobs_active_key")),
    )
    _index(op.f("ix_jobs_kind_state"), "jobs", ["kind", "state"])
    _table(
        "kline_staging",
        sa.Column("symbol_id", sa.Integer(), nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), nullable=False),
        sa.Column("open_time_ms", sa.BigInteger(), nullable=False),
        sa.Column("open", number(20, 8), nullable=False),
        sa.Column("high", number(20, 8), nullable=False),
        sa.Column("low", number(20, 8), nullable=False),
        sa.Column("close", number(20, 8), nullable=False),
        sa.Column("volume", number(28, 8), nullable=False),
        sa.Column("close_time_ms", sa.BigInteger(), nullable=False),
        sa.Column("quote_asset_volume", number(28, 8), nullable=False),
        sa.Column("number_of_trades", sa.BigInteger(), nullable=False),
        sa.Column("taker_buy_base_asset_volume", number(28, 8), nullable=False),
        sa.Column("taker_buy_quote_asset_volume", number(28, 8), nullable=False),
        sa.Column("ignore", exact(40), nullable=False),
        sa.Column("irregular", sa.Boolean(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "open_time_ms", name=op.f("pk_kline_staging")),
        sqlite_with_rowid=False,
    )
    _table(
        "klines",
        sa.Column("symbol_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("open_time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("open", number(20, 8), nullable=False),
        sa.Column("high", number(20, 8), nullable=False),
        sa.Column("low", number(20, 8), nullable=False),
        sa.Column("close", number(20, 8), nullable=False),
        sa.Column("volume", number(28, 8), nullable=False),
        sa.Column("close_time_ms", sa.BigInteger(), nullable=False),
        sa.Column("quote_asset_volume", number(28, 8), nullable=False),
        sa.Column("number_of_trades", sa.BigInteger(), nullable=False),
        sa.Column("taker_buy_base_asset_volume", number(28, 8), nullable=False),
        sa.Column("taker_buy_quote_asset_volume", number(28, 8), nullable=False),
        sa.Column("ignore", exact(40), nullable=False),
        sa.Column("irregular", sa.Boolean(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("symbol_id", "interval_id", "open_time_ms", name=op.f("pk_klines")),
        sqlite_with_rowid=False,
    )
    _table(
        "outbox",
        sa.Column("index", exact(16), nullable=False),
        sa.Column("key", exact(160), nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("index", "key", name=op.f("pk_outbox")),
    )
    _index(op.f("ix_outbox_changed_at_ms"), "outbox", ["changed_at_ms"])
    _table(
        "symbols",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("venue", exact(16), nullable=False),
        sa.Column("symbol", exact(32), nullable=False),
        sa.Column("base_asset", exact(16), nullable=False),
        sa.Column("quote_asset", exact(16), nullable=False),
        sa.Column("status", exact(32), nullable=False),
        sa.Column("info", document(), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_symbols")),
        sa.UniqueConstraint("venue", "symbol", name=op.f("uq_symbols_venue_symbol")),
    )
    _table(
        "forecasts",
        sa.Column(
            "id",
            row_id(),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("symbol_id", sa.Integer(), nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), nullable=False),
        sa.Column("model", exact(32), nullable=False),
        sa.Column("version", exact(64), nullable=False),
        sa.Column("cutoff_ms", sa.BigInteger(), nullable=False),
        sa.Column("made_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("payload", document(), nullable=False),
        sa.Column("previous_hash", exact(64), nullable=False),
        sa.Column("hash", exact(64), nullable=False),
        sa.ForeignKeyConstraint(["symbol_id"], ["symbols.id"], name=op.f("fk_forecasts_symbol_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecasts")),
        sa.UniqueConstraint(
            "symbol_id",
            "interval_id",
            "model",
            "previous_hash",
            name=op.f("uq_forecasts_symbol_id_interval_id_model_previous_hash"),
        ),
        sa.UniqueConstraint(
            "symbol_id",
            "interval_id",
            "version",
            "cutoff_ms",
            name=op.f("uq_forecasts_symbol_id_interval_id_version_cutoff_ms"),
        ),
    )
    _index(
        op.f("ix_forecasts_symbol_id_interval_id_cutoff_ms"),
        "forecasts",
        ["symbol_id", "interval_id", "cutoff_ms"],
    )
    _table(
        "gaps",
        sa.Column(
            "id",
            row_id(),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("symbol_id", sa.Integer(), nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("cause", exact(16), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("resolved_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("start_ms < end_ms", name=op.f("ck_gaps_range")),
        sa.ForeignKeyConstraint(["symbol_id"], ["symbols.id"], name=op.f("fk_gaps_symbol_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gaps")),
        sa.UniqueConstraint(
            "symbol_id",
            "interval_id",
            "start_ms",
            "end_ms",
            "first_seen_ms",
            name=op.f("uq_gaps_symbol_id_interval_id_start_ms_end_ms_first_seen_ms"),
        ),
    )
    _table(
        "ingest_batches",
        sa.Column(
            "id",
            row_id(),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("symbol_id", sa.Integer(), nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), nullable=False),
        sa.Column("source", exact(16), nullable=False),
        sa.Column("url", document(), nullable=False),
        sa.Column("sha256", exact(64), nullable=True),
        sa.Column("fetched_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol_id"], ["symbols.id"], name=op.f("fk_ingest_batches_symbol_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ingest_batches")),
    )
    _index(
        op.f("ix_ingest_batches_symbol_id_interval_id"),
        "ingest_batches",
        ["symbol_id", "interval_id"],
    )
    _table(
        "kline_revisions",
        sa.Column(
            "id",
            row_id(),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("symbol_id", sa.Integer(), nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), nullable=False),
        sa.Column("open_time_ms", sa.BigInteger(), nullable=False),
        sa.Column("open", number(20, 8), nullable=False),
        sa.Column("high", number(20, 8), nullable=False),
        sa.Column("low", number(20, 8), nullable=False),
        sa.Column("close", number(20, 8), nullable=False),
        sa.Column("volume", number(28, 8), nullable=False),
        sa.Column("close_time_ms", sa.BigInteger(), nullable=False),
        sa.Column("quote_asset_volume", number(28, 8), nullable=False),
        sa.Column("number_of_trades", sa.BigInteger(), nullable=False),
        sa.Column("taker_buy_base_asset_volume", number(28, 8), nullable=False),
        sa.Column("taker_buy_quote_asset_volume", number(28, 8), nullable=False),
        sa.Column("ignore", exact(40), nullable=False),
        sa.Column("irregular", sa.Boolean(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("replaced_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("replaced_by_batch_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol_id"], ["symbols.id"], name=op.f("fk_kline_revisions_symbol_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kline_revisions")),
    )
    _index(
        op.f("ix_kline_revisions_symbol_id_interval_id_open_time_ms"),
        "kline_revisions",
        ["symbol_id", "interval_id", "open_time_ms"],
    )
    _table(
        "champions",
        sa.Column("id", row_id(), autoincrement=True, nullable=False),
        sa.Column("symbol_id", sa.Integer(), nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), nullable=False),
        sa.Column("model", exact(32), nullable=False),
        sa.Column("version", exact(64), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", document(), nullable=False),
        sa.ForeignKeyConstraint(["symbol_id"], ["symbols.id"], name=op.f("fk_champions_symbol_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_champions")),
    )
    _index(op.f("ix_champions_symbol_id_interval_id"), "champions", ["symbol_id", "interval_id"])
    _table(
        "score_cards",
        sa.Column("symbol_id", sa.Integer(), nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), nullable=False),
        sa.Column("model", exact(32), nullable=False),
        sa.Column("version", exact(64), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("kind", exact(8), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("card", document(), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol_id"], ["symbols.id"], name=op.f("fk_score_cards_symbol_id")
        ),
        sa.PrimaryKeyConstraint(
            "symbol_id", "interval_id", "version", "step", "kind", name=op.f("pk_score_cards")
        ),
    )
    _table(
        "watermarks",
        sa.Column("symbol_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("open_time_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol_id"], ["symbols.id"], name=op.f("fk_watermarks_symbol_id")
        ),
        sa.PrimaryKeyConstraint("symbol_id", "interval_id", name=op.f("pk_watermarks")),
    )
