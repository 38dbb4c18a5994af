"""From lines and columns to the bytes of a whole answer, part by part, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from api_historic.klines.formats import Format
from api_historic.klines.layout import csv_layout, ndjson_layout
from api_historic.klines.sources import Source
from market.gaps import Range

#: Rows of an Arrow record batch, and of a Parquet row group.
_BATCH = 16_384
_GROUP = 131_072


class Stretch(NamedTuple):
    """Klines of a source to be sent: those opening in a range."""

    source: Source
    span: Range


class Shape(NamedTuple):
    """How klines are sent. `names_symbol`: with a `symbol` column first."""

    fields: tuple[str, ...]
    names_symbol: bool
    is_descending: bool = False
    iso: bool = False


def iter_encoded(
    form: Format, stretches: Sequence[Stretch], shape: Shape
) -> Iterator[bytes | memoryview]:
    """Yield the bytes of an answer in any format but JSON."""
    if form.is_text:
        return _iter_text(form, stretches, shape)
    tables = _iter_tables(stretches, shape)
    return _iter_arrow(tables, shape) if form is Format.ARROW else _iter_parquet(tables, shape)


def _iter_text(
    form: Format, stretches: Sequence[Stretch], shape: Shape
) -> Iterator[bytes | memoryview]:
    if form is Format.CSV:
        yield ",".join(["symbol", *shape.fields] if shape.names_symbol else shape.fields).encode()
        yield b"\n"
    for source, span in stretches:
        symbol = source.series.symbol if shape.names_symbol else None
        layout = (
            csv_layout(shape.fields, symbol)
            if form is Format.CSV
            else ndjson_layout(shape.fields, symbol, iso=shape.iso)
        )
        lines = source.iter_lines(span, layout, iso=shape.iso, is_descending=shape.is_descending)
        yield from lines


def _iter_tables(stretches: Sequence[Stretch], shape: Shape) -> Iterator[Any]:
    from api_historic.klines.columns import with_symbol

    for source, span in stretches:
        symbol = source.series.symbol if shape.names_symbol else None
        tables = source.iter_tables(span, shape.fields, is_descending=shape.is_descending)
        for table in tables:
            yield with_symbol(table, symbol)


def _iter_arrow(tables: Iterable[Any], shape: Shape) -> Iterator[memoryview | bytes]:
    from api_historic.klines.columns import build_schema

    yield memoryview(build_schema(shape.fields, shape.names_symbol).serialize())
    for table in tables:
        for batch in table.to_batches(max_chunksize=_BATCH):
            yield memoryview(batch.serialize())
    # The mark of a stream's end: a message of no length.
    yield b"\xff\xff\xff\xff\x00\x00\x00\x00"


class _Drain:
    """A file that is read while it is written."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(self._parts[-1])

    def flush(self) -> None:
        """Do nothing: what is written is there."""

    def close(self) -> None:
        """Do nothing: the rest is still to be taken."""

    def take(self) -> bytes:
        """Return what was written since it was last asked."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _iter_parquet(tables: Iterable[Any], shape: Shape) -> Iterator[bytes]:
    import pyarrow as pa
    from pyarrow import parquet

    from api_historic.klines.columns import build_schema

    drain = _Drain()
    schema = build_schema(shape.fields, shape.names_symbol)
    with parquet.ParquetWriter(pa.PythonFile(drain, mode="w"), schema, compression="zstd") as file:
        pending: list[Any] = []
        for table in tables:
            pending.append(table)
            if sum(one.num_rows for one in pending) >= _GROUP:
                file.write_table(pa.concat_tables(pending), row_group_size=_GROUP)
                pending.clear()
                yield drain.take()
        if pending:
            file.write_table(pa.concat_tables(pending), row_group_size=_GROUP)
    yield drain.take()
