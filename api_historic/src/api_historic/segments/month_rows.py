"""Reading a month's klines as the driver's bytes, so many rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice

from sqlalchemy import Connection, bindparam, select

from api_historic.segments.columns import RawRow
from market.gaps import Range
from market.store import tables as t
from market.store.bulk import KLINE_VALUES
from market.store.raw_rows import RawQuery
from market.store.symbols import Series

#: Rows held at once.
_PAGE = 10_000
_K = t.klines.c
_QUERY = RawQuery(
    select(_K.open_time_ms, *(_K[name] for name in KLINE_VALUES))
    .where(
        _K.symbol_id == bindparam("symbol_id"),
        _K.interval_id == bindparam("interval_id"),
        _K.open_time_ms >= bindparam("start_ms"),
        _K.open_time_ms < bindparam("end_ms"),
    )
    .order_by(_K.open_time_ms)
)


@contextmanager
def month_pages(
    connection: Connection, series: Series, month: Range, *, page: int = _PAGE
) -> Iterator[Iterator[Sequence[RawRow]]]:
    """Read rows of the twelve fields, ascending, at most `page` at once.

    The connection is taken until the end of the block.
    """
    rows = _QUERY.iter_rows(
        connection,
        symbol_id=series.symbol_id,
        interval_id=series.interval.number,
        start_ms=month.start_ms,
        end_ms=month.end_ms,
    )
    with closing(rows):  # type: ignore[type-var]  # a generator
        yield iter(lambda: list(islice(rows, page)), [])
