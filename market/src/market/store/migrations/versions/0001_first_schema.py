"""The first schema: klines with provenance, gaps, forecasts, outbox and jobs."""

import sqlalchemy as sa
from alembic import op

from market.interval import Interval
from market.store.types import document, exact, number, row_id

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The names analysts know. `id` is unique over all series: 16 bits of symbol, 5 of
# interval, 42 of open time.
_VIEW = """
CREATE VIEW historical_klines AS
SELECT (k.symbol_id * 32 + k.interval_id) * 4398046511104 + k.open_time_ms AS id,
       k.open AS open_price,
       k.high AS high_price,
       k.low AS low_price,
       k.close AS close_price,
       k.volume AS volume,
       k.quote_asset_volume AS quote_asset_volume,
       k.number_of_trades AS number_of_trades,
       {open_time} AS kline_open_time_parsed,
       {close_time} AS kline_close_time_parsed,
       s.symbol AS symbol,
       i.name AS kline_interval
  FROM klines k
  JOIN symbols s ON s.id = k.symbol_id
  JOIN intervals i ON i.id = k.interval_id
"""
_PARSED = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', {column} / 1000.0, 'unixepoch')",
    "mysql": "TIMESTAMPADD(MICROSECOND, {column} * 1000, TIMESTAMP '1970-01-01 00:00:00')",
}


def upgrade() -> None:
    _create_tables()
    intervals = sa.table("intervals", sa.column("id"), sa.column("name"))
    op.bulk_insert(intervals, [{"id": i.number, "name": i.value} for i in Interval])
    family = "sqlite" if op.get_bind().dialect.name == "sqlite" else "mysql"
    parsed = {
        f"{name}_time": _PARSED[family].format(column=f"k.{name}_time_ms")
        for name in ("open", "close")
    }
    # exec_driver_sql spares the driver's format markers, which strftime's % would look like.
    view = _VIEW.format(**parsed)
    op.get_bind().exec_driver_sql(view if family == "sqlite" else view.replace("%", "%%"))


def _create_tables() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("index", exact(16), nullable=False),
        sa.Column("key", exact(160), nullable=False),
        sa.Column("reason", document(), nullable=False),
        sa.Column("failed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("index", "key", name=op.f("pk_dead_letters")),
    )
    op.create_table(
        "intervals",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", exact(4), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intervals")),
        sa.UniqueConstraint("name", name=op.f("uq_intervals_name")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", exact(32), nullable=False),
        sa.Column("kind", exact(16), nullable=False),
        sa.Column("state", exact(16), nullable=False),
        sa.Column("request", document(), nullable=False),
        sa.Column("progress", sa.Float(precision=53), nullable=False),
        sa.Column("steps", document(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", exact(64), nullable=True),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("active_key", exact(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("active_key", name=op.f("uq_jobs_active_key")),
    )
    op.create_index(op.f("ix_jobs_kind_state"), "jobs", ["kind", "state"], unique=False)
    op.create_table(
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
    op.create_table(
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
    op.create_table(
        "outbox",
        sa.Column("index", exact(16), nullable=False),
        sa.Column("key", exact(160), nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("index", "key", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_changed_at_ms"), "outbox", ["changed_at_ms"], unique=False)
    op.create_table(
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
    op.create_table(
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
    op.create_index(
        op.f("ix_forecasts_symbol_id_interval_id_cutoff_ms"),
        "forecasts",
        ["symbol_id", "interval_id", "cutoff_ms"],
        unique=False,
    )
    op.create_table(
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
    op.create_table(
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
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sha256", exact(64), nullable=True),
        sa.Column("fetched_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol_id"], ["symbols.id"], name=op.f("fk_ingest_batches_symbol_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ingest_batches")),
    )
    op.create_index(
        op.f("ix_ingest_batches_symbol_id_interval_id"),
        "ingest_batches",
        ["symbol_id", "interval_id"],
        unique=False,
    )
    op.create_table(
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
    op.create_index(
        op.f("ix_kline_revisions_symbol_id_interval_id_open_time_ms"),
        "kline_revisions",
        ["symbol_id", "interval_id", "open_time_ms"],
        unique=False,
    )
    op.create_table(
        "champions",
        sa.Column("id", row_id(), autoincrement=True, nullable=False),
        sa.Column("symbol_id", sa.Integer(), nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), nullable=False),
        sa.Column("model", exact(32), nullable=False),
        sa.Column("version", exact(64), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["symbol_id"], ["symbols.id"], name=op.f("fk_champions_symbol_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_champions")),
    )
    op.create_index(
        op.f("ix_champions_symbol_id_interval_id"),
        "champions",
        ["symbol_id", "interval_id"],
        unique=False,
    )
    op.create_table(
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
        sa.UniqueConstraint(
            "symbol_id",
            "interval_id",
            "version",
            "step",
            "kind",
            name=op.f("uq_score_cards_symbol_id_interval_id_version_step_kind"),
        ),
    )
    op.create_table(
        "watermarks",
        sa.Column("symbol_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("open_time_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol_id"], ["symbols.id"], name=op.f("fk_watermarks_symbol_id")
        ),
        sa.PrimaryKeyConstraint("symbol_id", "interval_id", name=op.f("pk_watermarks")),
    )
