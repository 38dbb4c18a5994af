"""A month of klines as a Parquet file that says which state of the month it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from api_historic.segments.columns import RawRow, build_batch, klines_schema
from market.errors import DataError
from market.store.kline_months import MonthStamp
from market.store.symbols import Series

#: Rows of one group: readers skip groups by their statistics, and hold one at a time.
GROUP = 122_880
#: Rows that are compared at once.
_COMPARED = 20_000
_KEY = b"klinecast"
_DELTAS = ("open_time", "close_time", "number_of_trades")


class MonthFile(NamedTuple):
    """What a file says of itself."""

    symbol: str
    interval: str
    start_ms: int
    stamp: int
    rows: int

    def is_of(self, series: Series, month: MonthStamp) -> bool:
        """Tell whether it is that series' month in that state."""
        mine = (self.symbol, self.interval, self.start_ms, self.stamp)
        return mine == (series.symbol, series.interval.value, month.month.start_ms, month.stamp)


def write_month(
    path: Path, series: Series, month: MonthStamp, pages: Iterable[Sequence[RawRow]]
) -> int:
    """Write a month's rows, which ascend, with zstd and statistics; return their number."""
    schema = klines_schema()
    said = {
        "symbol": series.symbol,
        "interval": series.interval.value,
        "start_ms": month.month.start_ms,
        "stamp": month.stamp,
    }
    schema = schema.with_metadata({_KEY: orjson.dumps(said)})
    rows = 0
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=["ignore"],
        column_encoding=dict.fromkeys(_DELTAS, "DELTA_BINARY_PACKED"),
        write_page_index=True,
        sorting_columns=[pq.SortingColumn(0)],
    ) as writer:
        batches = (build_batch(page, klines_schema()) for page in pages)
        for table in _iter_tables(batches, GROUP):
            writer.write_table(table.cast(schema), row_group_size=GROUP)
            rows += table.num_rows
    return rows


def read_description(path: Path) -> MonthFile:
    """Return what a file says of itself.

    Raises:
        DataError: it is no Parquet file, or none of a month of klines.
    """
    try:
        metadata = pq.read_metadata(path)
        said = orjson.loads((metadata.metadata or {})[_KEY])
        return MonthFile(**said, rows=metadata.num_rows)
    except (pa.ArrowException, OSError, KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise DataError(f"the file is not a month of klines: {error}") from error


def equals_rows(path: Path, pages: Iterable[Sequence[RawRow]]) -> bool:
    """Tell whether a file holds exactly these rows, a part at a time.

    Raises:
        DataError: it cannot be read.
    """
    stored = _iter_tables((build_batch(page, klines_schema()) for page in pages), _COMPARED)
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(klines_schema(), check_metadata=False):
                return False
            held = _iter_tables(file.iter_batches(_COMPARED), _COMPARED)
            return all(_same(*pair) for pair in _pairs(stored, held))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"the file cannot be read: {error}") from error


def _same(stored: pa.Table | None, held: pa.Table | None) -> bool:
    return stored is not None and held is not None and stored.equals(held)


def _pairs(
    left: Iterator[pa.Table], right: Iterator[pa.Table]
) -> Iterator[tuple[pa.Table | None, pa.Table | None]]:
    while True:
        pair = next(left, None), next(right, None)
        if pair == (None, None):
            return
        yield pair


def _iter_tables(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of `size`, the last one of the rest."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        while rows >= size:
            table = pa.Table.from_batches(held)
            yield table.slice(0, size)
            held = table.slice(size).to_batches()
            rows -= size
    if rows:
        yield pa.Table.from_batches(held)
