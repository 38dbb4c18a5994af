"""Reading kline files of others: rows of twelve texts, in Binance's order of the fields."""

from __future__ import annotations

import csv
import gzip
import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from market.errors import DataError, NotFound
from market.kline import KLINE_FIELDS
from populate_base.file_format import FileFormat, format_of

#: Names by which others know the fields; case and surrounding blanks do not matter.
_ALIASES: dict[str, tuple[str, ...]] = {
    "open_time": ("timestamp", "date", "time"),
    "quote_asset_volume": ("quote_volume", "quote_av"),
    "number_of_trades": ("trades", "count"),
    "taker_buy_base_asset_volume": ("taker_buy_base", "tb_base_av", "taker_buy_volume"),
    "taker_buy_quote_asset_volume": ("taker_buy_quote", "tb_quote_av", "taker_buy_quote_volume"),
}
_FIELD_OF = {alias: name for name, aliases in _ALIASES.items() for alias in aliases} | {
    name: name for name in KLINE_FIELDS
}
#: No line of twelve numbers is longer; a file of one endless line must not fill the memory.
_MAX_LINE = 4_096
_BATCH = 20_000


class FileRow(NamedTuple):
    """One row: its number in the file, from 1 without the header, and its twelve texts."""

    number: int
    fields: Sequence[str]


def iter_rows(path: Path) -> Iterator[FileRow]:
    """Yield the rows of a kline file, the columns put into Binance's order.

    A CSV (also `.csv.gz`) may go without a header where it has exactly twelve columns.

    Raises:
        NotFound: there is no such file.
        InvalidParameter: its name tells no format.
        DataError: the file is damaged, or does not hold all twelve fields.
    """
    read = _READERS[format_of(path)]
    try:
        yield from read(path)
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist") from None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        # Arrow's own errors are ValueErrors and OSErrors; so are those of the text layer.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read: {reason}") from error


def _iter_csv(path: Path) -> Iterator[FileRow]:
    unpacked: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with unpacked(path, "rt", encoding="utf-8-sig", newline="") as text:
        yield from _csv_rows(text, path)


def _csv_rows(text: IO[str], path: Path) -> Iterator[FileRow]:
    reader = csv.reader(_bounded_lines(text, path), strict=True)
    try:
        first = next(reader, [])
        order = _order_of(first, path)
        rows = itertools.chain([first], reader) if order is None else reader
        for number, row in enumerate(rows, start=1):
            if len(row) != len(first):
                raise DataError(
                    f"{path.name}: row {number} has {len(row)} columns, the first {len(first)}"
                )
            yield FileRow(number, row if order is None else [row[place] for place in order])
    except csv.Error as error:
        raise DataError(f"{path.name}: line {reader.line_num} is not CSV: {error}") from error


def _bounded_lines(text: IO[str], path: Path) -> Iterator[str]:
    while line := text.readline(_MAX_LINE):
        if len(line) == _MAX_LINE:
            raise DataError(f"{path.name} holds a line of more than {_MAX_LINE} characters")
        yield line


def _order_of(header: Sequence[str], path: Path) -> list[int] | None:
    """Return each field's place in a row, `None` where the first row is no header."""
    if header and header[0][:1].isdigit():
        if len(header) != len(KLINE_FIELDS):
            raise DataError(
                f"{path.name} has {len(header)} columns; expected the twelve of a kline:"
                f" {' '.join(KLINE_FIELDS)}"
            )
        return None
    return _places(header, path)


def _places(names: Sequence[str], path: Path) -> list[int]:
    known: dict[str, int] = {}
    for place, name in enumerate(names):
        field = _FIELD_OF.get(name.strip().lower())
        if field is not None and known.setdefault(field, place) != place:
            raise DataError(f"{path.name} has two columns for {field}")
    missing = [field for field in KLINE_FIELDS if field not in known]
    if missing:
        raise DataError(
            f"{path.name} lacks {', '.join(missing)}: only whole klines, all twelve fields, are"
            f" stored; its columns are {' '.join(names) or 'none'}"
        )
    return [known[field] for field in KLINE_FIELDS]


def _iter_parquet(path: Path) -> Iterator[FileRow]:
    import pyarrow.parquet as pq

    with path.open("rb") as file, pq.ParquetFile(file) as parquet:
        places = _places(parquet.schema_arrow.names, path)
        yield from _number(parquet.iter_batches(_BATCH), places)


def _iter_feather(path: Path) -> Iterator[FileRow]:
    import pyarrow as pa

    with path.open("rb") as file, pa.ipc.open_file(file) as reader:
        places = _places(reader.schema.names, path)
        batches = (reader.get_batch(place) for place in range(reader.num_record_batches))
        yield from _number(batches, places)


def _number(batches: Iterator[Any], places: Sequence[int]) -> Iterator[FileRow]:
    numbers = itertools.count(1)
    for batch in batches:
        columns = [_texts(batch.column(place)) for place in places]
        yield from map(FileRow, numbers, zip(*columns, strict=True))


def _texts(column: Any) -> list[str]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        # One without a zone comes as text without an offset, which is nobody's time yet.
        kind = pa.string() if column.type.tz is None else pa.int64()
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(kind)
    # A null has no text: it comes out as one that is no number, and is refused with its row.
    return ["null" if value is None else str(value) for value in column.to_pylist()]


_READERS: dict[FileFormat, Callable[[Path], Iterator[FileRow]]] = {
    FileFormat.CSV: _iter_csv,
    FileFormat.PARQUET: _iter_parquet,
    FileFormat.FEATHER: _iter_feather,
}
