"""The stamps of months, and with every batch the one it drew."""

import secrets
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from market.interval import Interval

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ROWS_A_STATEMENT = 5_000


def upgrade() -> None:
    """Add the column and the table, and fill it; also where an earlier try was cut off."""
    # First of all: it waits for the writers at work and ends every later one of the version
    # before, which would change klines without a stamp, as its batches lack this column.
    _add_stamp_to_batches()
    op.create_table(
        "kline_months",
        sa.Column("symbol_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("interval_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("month_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol_id"], ["symbols.id"], name=op.f("fk_kline_months_symbol_id")
        ),
        sa.PrimaryKeyConstraint(
            "symbol_id", "interval_id", "month_ms", name=op.f("pk_kline_months")
        ),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    _stamp_what_is_stored()


def _add_stamp_to_batches() -> None:
    present = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("ingest_batches")}
    if "stamp" in present:
        return
    stamp = sa.Column("stamp", sa.BigInteger(), nullable=False)
    if op.get_bind().dialect.name != "sqlite":
        op.add_column("ingest_batches", stamp)
        return
    # SQLite adds no such column to a table that has rows: it gets a default, and loses it again.
    with op.batch_alter_table("ingest_batches", recreate="always") as batch:
        batch.add_column(sa.Column("stamp", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("ingest_batches", recreate="always") as batch:
        batch.alter_column("stamp", server_default=None)


def _stamp_what_is_stored() -> None:
    months = sa.table(
        "kline_months",
        *(sa.column(n) for n in ("symbol_id", "interval_id", "month_ms", "stamp", "changed_ms")),
    )
    op.execute(months.delete())
    rows: list[dict[str, int]] = []
    for symbol_id, interval_id, month_ms in _stored_months():
        rows.append(
            {
                "symbol_id": symbol_id,
                "interval_id": interval_id,
                "month_ms": month_ms,
                "stamp": secrets.randbits(63) or 1,
                "changed_ms": 0,
            }
        )
        if len(rows) == _ROWS_A_STATEMENT:
            op.bulk_insert(months, rows)
            rows = []
    if rows:
        op.bulk_insert(months, rows)


def _stored_months() -> Iterator[tuple[int, int, int]]:
    """Yield every month from a series' first to its newest kline: each bound is one look."""
    symbols = sa.table("symbols", sa.column("id"))
    klines = sa.table(
        "klines", *(sa.column(n) for n in ("symbol_id", "interval_id", "open_time_ms"))
    )
    k = klines.c
    numbers = sa.table("intervals", sa.column("id"))
    of_it = (k.symbol_id == symbols.c.id) & (k.interval_id == numbers.c.id)
    bounds = [
        sa.select(bound(k.open_time_ms)).where(of_it).scalar_subquery()
        for bound in (sa.func.min, sa.func.max)
    ]
    query = sa.select(symbols.c.id, numbers.c.id, *bounds).select_from(
        symbols.join(numbers, sa.true())
    )
    for symbol_id, interval_id, first_ms, newest_ms in op.get_bind().execute(query).all():
        if first_ms is not None:
            month_ms = Interval.MO1.floor(first_ms)
            for start_ms in Interval.MO1.iter_opens(month_ms, newest_ms + 1):
                yield symbol_id, interval_id, start_ms
