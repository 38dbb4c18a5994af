"""Exporting: the stored klines of one series into a file that other tools read.

The file appears whole under its name or not at all, and memory does not grow with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import orjson

from market.errors import Conflict, NotFound
from market.gaps import Gap, Range, completeness
from market.kline import KLINE_FIELDS, Kline
from market.store import Store
from market.store.gap_ledger import read_gaps
from market.store.klines import iter_klines
from market.store.symbols import Series
from populate_base.file_format import (
    FREQTRADE_FIELDS,
    FileFormat,
    exact_schema,
    freqtrade_schema,
)

if TYPE_CHECKING:
    import pyarrow as pa

Pages = Iterator[list[Kline]]
#: Rows of one group of a Parquet file, one batch of a Feather file.
_BATCH = 50_000


class ExportReport(NamedTuple):
    """What a file holds: its klines, their first and last open time, and what is missing.

    `completeness` is the fraction of the slots from the first to the last that hold one.
    """

    path: Path
    klines: int
    first_open_ms: int
    last_open_ms: int
    gaps: list[Gap]
    completeness: float


class _Tally:
    """Counts klines on their way into the file."""

    def __init__(self) -> None:
        self.klines = 0
        self.first_ms = 0
        self.last_ms = 0

    def watch(self, pages: Pages) -> Pages:
        for page in pages:
            if not self.klines:
                self.first_ms = page[0].open_time_ms
            self.klines += len(page)
            self.last_ms = page[-1].open_time_ms
            yield page


def export_series(
    store: Store,
    series: Series,
    span: tuple[int | None, int | None],
    kind: FileFormat,
    path: Path,
) -> ExportReport:
    """Write the klines that open in the half-open `span` to a file, ascending.

    CSV has a header of the field names, times in ms and the digits as stored; Parquet and
    Feather the same fields as int64 and decimals; freqtrade's Feather the open time and
    OHLCV as floats.

    Raises:
        NotFound: no kline is stored in that range; no file is made.
        Conflict: the file cannot be written.
    """
    tally = _Tally()
    pages = tally.watch(iter_klines(store, series, *span, page=_BATCH))
    with _whole_file(path) as file:
        _WRITERS[kind](file, pages, series)
        if not tally.klines:
            raise NotFound(
                f"no kline of {series.symbol} {series.interval} is stored in that range",
                hint="`populate-base status` shows what is stored, `backfill` brings more.",
            )
    interval = series.interval
    held = Range(interval.floor(tally.first_ms), interval.add(interval.floor(tally.last_ms), 1))
    with store.read() as connection:
        gaps = read_gaps(connection, series, *held)
    missing = [Range(gap.start_ms, gap.end_ms) for gap in gaps]
    fraction = completeness(interval, held, missing)
    return ExportReport(path, tally.klines, tally.first_ms, tally.last_ms, gaps, fraction)


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(path)
    except OSError as error:
        raise Conflict(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # where it could not be made it can't be removed
            draft.unlink()


def _write_csv(file: IO[bytes], pages: Pages, _series: Series) -> None:
    file.write((",".join(KLINE_FIELDS) + "\n").encode())
    for page in pages:
        file.write("".join([",".join(map(str, kline)) + "\n" for kline in page]).encode())


def _write_parquet(file: IO[bytes], pages: Pages, series: Series) -> None:
    import pyarrow.parquet as pq

    schema = exact_schema(_origin(series))
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for page in pages:
            writer.write_batch(_exact_batch(page, schema))


def _write_feather(file: IO[bytes], pages: Pages, series: Series) -> None:
    schema = exact_schema(_origin(series))
    _write_ipc(file, (_exact_batch(page, schema) for page in pages), schema)


def _write_freqtrade(file: IO[bytes], pages: Pages, _series: Series) -> None:
    schema = freqtrade_schema()
    _write_ipc(file, (_float_batch(page, schema) for page in pages), schema)


def _write_ipc(file: IO[bytes], batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> None:
    import pyarrow as pa

    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_file(file, schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _exact_batch(page: Sequence[Kline], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = []
    for values, field in zip(zip(*page, strict=True), schema, strict=True):
        texts_or_integers = pa.array(values)
        columns.append(texts_or_integers.cast(field.type))
    return pa.record_batch(columns, schema=schema)


def _float_batch(page: Sequence[Kline], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    values = zip(*(kline[: len(FREQTRADE_FIELDS)] for kline in page), strict=True)
    columns = [
        pa.array(column).cast(field.type) for column, field in zip(values, schema, strict=True)
    ]
    return pa.record_batch(columns, schema=schema)


def _origin(series: Series) -> dict[str, str]:
    # Readers of Arrow keep it: what the file holds is known without its name.
    said = {"symbol": series.symbol, "interval": series.interval.value, "times": "ms UTC"}
    return {"klinecast": orjson.dumps(said).decode()}


_WRITERS: dict[FileFormat, Callable[[IO[bytes], Pages, Series], None]] = {
    FileFormat.CSV: _write_csv,
    FileFormat.PARQUET: _write_parquet,
    FileFormat.FEATHER: _write_feather,
    FileFormat.FREQTRADE: _write_freqtrade,
}
