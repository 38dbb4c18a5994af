"""What klines said in the past: the values that were known at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, and_, cast, exists, func, or_, select
from sqlalchemy.dialects import mysql

from market.kline import Kline
from market.store import tables as t
from market.store.bulk import KLINE_VALUES
from market.store.symbols import Series

#: Columns of a kline that are no decimals.
_PLAIN = frozenset({"open_time_ms", "close_time_ms", "number_of_trades", "ignore"})


class Revision(NamedTuple):
    """One replaced kline: its old values and when other ones took their place."""

    kline: Kline
    replaced_at_ms: int


def read_klines_as_of(  # noqa: PLR0913  the arguments of read_klines, and a time
    connection: Connection,
    series: Series,
    start_ms: int | None,
    end_ms: int | None,
    limit: int,
    as_of_ms: int,
    *,
    newest: bool = False,
) -> list[Kline]:
    """Return up to `limit` klines opening in [start_ms, end_ms) as known at a time, ascending.

    A kline's versions are its revisions in the order in which they were written, then the
    stored row; each was known from the moment its batch was fetched. The one returned is
    the last written of those fetched at `as_of_ms` or before; a kline of which there is
    none was not known, and is absent. A version of unknown batch counts as always known.
    One that gave its slot to a kline of another open time is known until that one is.
    With `newest` they are the last ones of the range, else the first. Times are the
    exchange's, UTC epoch milliseconds; numbers have the digits Binance wrote.
    """
    found: list[Kline] = []
    for query, source in (
        (_unchanged_since(connection, as_of_ms), t.klines),
        (_in_force_at(connection, as_of_ms), t.kline_revisions),
    ):
        query = _within(query, source, series, start_ms, end_ms)
        open_time = source.c.open_time_ms
        query = query.order_by(open_time.desc() if newest else open_time).limit(limit)
        found += [Kline(*row) for row in connection.execute(query)]
    found.sort(key=lambda kline: kline.open_time_ms)
    return found[max(len(found) - limit, 0) :] if newest else found[:limit]


def _unchanged_since(connection: Connection, as_of_ms: int) -> Select[Any]:
    b = t.ingest_batches
    joined = t.klines.outerjoin(b, b.c.id == t.klines.c.batch_id)
    known_ms = func.coalesce(b.c.fetched_at_ms, 0)
    return select(*_values(connection, t.klines)).select_from(joined).where(known_ms <= as_of_ms)


def _in_force_at(connection: Connection, as_of_ms: int) -> Select[Any]:
    """Select the revisions that held at a time, of klines whose stored row came later."""
    r, later = t.kline_revisions, t.kline_revisions.alias("later")
    own, its, present = (t.ingest_batches.alias(name) for name in ("own", "its", "present"))
    superseded = exists(
        select(later.c.id)
        .select_from(later.outerjoin(its, its.c.id == later.c.batch_id))
        .where(
            _same_kline(later, r),
            later.c.id > r.c.id,
            func.coalesce(its.c.fetched_at_ms, 0) <= as_of_ms,
        )
    )
    joined = (
        r.outerjoin(own, own.c.id == r.c.batch_id)
        .outerjoin(t.klines, _same_kline(t.klines, r))
        .outerjoin(present, present.c.id == t.klines.c.batch_id)
    )
    return (
        select(*_values(connection, r))
        .select_from(joined)
        .where(
            func.coalesce(own.c.fetched_at_ms, 0) <= as_of_ms,
            # What took its place may open at another time of its slot.
            r.c.replaced_at_ms > as_of_ms,
            or_(t.klines.c.batch_id.is_(None), present.c.fetched_at_ms > as_of_ms),
            ~superseded,
        )
    )


def _same_kline(one: Any, other: Any) -> Any:
    names = ("symbol_id", "interval_id", "open_time_ms")
    return and_(*(one.c[name] == other.c[name] for name in names))


def _within(
    query: Select[Any], source: Table, series: Series, start_ms: int | None, end_ms: int | None
) -> Select[Any]:
    query = query.where(
        source.c.symbol_id == series.symbol_id, source.c.interval_id == series.interval.number
    )
    if start_ms is not None:
        query = query.where(source.c.open_time_ms >= start_ms)
    if end_ms is not None:
        query = query.where(source.c.open_time_ms < end_ms)
    return query


def _values(connection: Connection, source: Table) -> list[Any]:
    """Return the columns that make a Kline, numbers as the text Binance wrote."""
    columns = [source.c[name] for name in ("open_time_ms", *KLINE_VALUES)]
    if connection.dialect.name == "sqlite":
        return columns
    return [column if column.name in _PLAIN else cast(column, mysql.CHAR()) for column in columns]


def iter_revisions(
    connection: Connection, series: Series, start_ms: int | None, end_ms: int | None
) -> Iterator[Revision]:
    """Yield the replaced values of klines opening in [start_ms, end_ms), oldest first."""
    r = t.kline_revisions
    query = select(*_values(connection, r), r.c.replaced_at_ms)
    query = _within(query, r, series, start_ms, end_ms).order_by(r.c.open_time_ms, r.c.id)
    for row in connection.execute(query):
        yield Revision(Kline(*row[:-1]), row[-1])
