"""The file of a segment: its parts, and the manifest that proves them.

    an Arrow IPC file | the index | JSON rows | the manifest | the trailer

The index is the open times and then the offsets of the rows, both int64, one offset more than
rows; each row has a comma behind it. Parts begin at multiples of 64 bytes, as mapped Arrow
columns must. The manifest names the series, the month and the stamp, and has the sums of all
before it; the trailer has its length and its sum. A file is written under another name,
synced and renamed: under its own name it is whole, or was damaged since.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import tempfile
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from api_historic.segments.columns import (
    RawRow,
    build_batch,
    is_zero,
    klines_schema,
    write_rows,
)
from market.errors import DataError
from market.store.kline_months import MonthStamp
from market.store.symbols import Series

FORMAT = 1
_MAGIC = b"KLSEGMNT"
_TRAILER = struct.Struct("<8sII")
_ALIGNMENT = 64
_CHUNK = 1 << 20
#: No manifest is near as long.
_LONGEST_MANIFEST = 4_096


class Part(NamedTuple):
    """Where a part of the file lies, in bytes."""

    offset: int
    size: int


class Manifest(BaseModel):
    """What a segment holds, and the sums of its parts together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    venue: str
    symbol: str
    symbol_id: int
    interval: str
    start_ms: int
    end_ms: int
    stamp: int
    count: NonNegativeInt
    ignores_are_zero: bool
    arrow: Part
    index: Part
    rows: Part
    sha256: str
    crc32: int

    def is_of(self, series: Series, month: MonthStamp) -> bool:
        """Tell whether this is the segment of that series' month in that state."""
        mine = (self.venue, self.symbol, self.symbol_id, self.interval)
        theirs = (series.venue, series.symbol, series.symbol_id, series.interval.value)
        times = (self.start_ms, self.end_ms, self.stamp)
        return self.format == FORMAT and mine == theirs and times == (*month.month, month.stamp)


@dataclass(frozen=True, slots=True)
class _Body:
    """What was written before the manifest."""

    count: int
    zeros: bool
    arrow: Part
    index: Part
    rows: Part


def write_segment(
    path: Path, series: Series, month: MonthStamp, pages: Iterable[Sequence[RawRow]]
) -> Manifest:
    """Write and sync the file of a month's rows, which ascend; one page is held at a time."""
    with path.open("w+b") as file:
        body = _write_body(file, pages)
        sha256, crc32 = sum_of(file, file.tell())
        manifest = Manifest(
            format=FORMAT,
            venue=series.venue,
            symbol=series.symbol,
            symbol_id=series.symbol_id,
            interval=series.interval.value,
            start_ms=month.month.start_ms,
            end_ms=month.month.end_ms,
            stamp=month.stamp,
            count=body.count,
            ignores_are_zero=body.zeros,
            arrow=body.arrow,
            index=body.index,
            rows=body.rows,
            sha256=sha256,
            crc32=crc32,
        )
        said = manifest.model_dump_json().encode()
        file.write(said + _TRAILER.pack(_MAGIC, len(said), zlib.crc32(said)))
        file.flush()
        os.fsync(file.fileno())
    return manifest


def _write_body(file: IO[bytes], pages: Iterable[Sequence[RawRow]]) -> _Body:
    opens, sizes, zeros = array("q"), array("q"), True
    schema = klines_schema()
    with tempfile.TemporaryFile(dir=Path(file.name).parent) as rows_file:
        with pa.ipc.new_file(file, schema) as arrow:
            for page in pages:
                rows = write_rows(page)
                rows_file.writelines(rows)
                opens.extend(int(row[0]) for row in page)
                sizes.extend(map(len, rows))
                zeros = zeros and all(is_zero(row[-1]) for row in page)
                arrow.write_batch(build_batch(page, schema))
        arrow_part = Part(0, file.tell())
        offsets = array("q", accumulate(sizes, initial=0))
        index_at = _align(file)
        file.write(opens)
        file.write(offsets)
        rows_at = _align(file)
        rows_file.seek(0)
        shutil.copyfileobj(rows_file, file, _CHUNK)
    index_part = Part(index_at, opens.itemsize * (2 * len(opens) + 1))
    return _Body(len(opens), zeros, arrow_part, index_part, Part(rows_at, offsets[-1]))


def _align(file: IO[bytes]) -> int:
    file.write(bytes(-file.tell() % _ALIGNMENT))
    return file.tell()


def sum_of(file: IO[bytes], size: int) -> tuple[str, int]:
    """Return the SHA-256 and the CRC-32 of a file's first bytes, and stand behind them."""
    digest, crc32 = hashlib.sha256(), 0
    for chunk in _chunks(file, size):
        digest.update(chunk)
        crc32 = zlib.crc32(chunk, crc32)
    return digest.hexdigest(), crc32


def _chunks(file: IO[bytes], size: int) -> Iterator[bytes]:
    file.seek(0)
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        size -= len(chunk)
        yield chunk


def read_manifest(file: IO[bytes]) -> Manifest:
    """Return the manifest of a segment's file, which is as long as that says.

    Raises:
        DataError: it is none, or was cut off.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _TRAILER.size, 0))
    trailer = file.read(_TRAILER.size)
    if len(trailer) < _TRAILER.size:
        raise DataError("the file is too short for a segment")
    magic, length, crc32 = _TRAILER.unpack(trailer)
    start = size - _TRAILER.size - length
    if magic != _MAGIC or length > _LONGEST_MANIFEST or start < 0:
        raise DataError("the file does not end as a segment does")
    file.seek(start)
    said = file.read(length)
    if zlib.crc32(said) != crc32:
        raise DataError("the segment's manifest is damaged")
    try:
        manifest = Manifest.model_validate_json(said)
    except ValidationError as error:
        raise DataError("the segment's manifest is not one of this version") from error
    if sum(manifest.rows) != start:
        raise DataError("the segment's parts do not end at its manifest")
    return manifest


def check_body(file: IO[bytes], manifest: Manifest, *, thoroughly: bool = False) -> None:
    """Check a segment's parts by their CRC-32, `thoroughly` by their SHA-256 too.

    Raises:
        DataError: they are not what was written.
    """
    size = sum(manifest.rows)
    if thoroughly:
        whole = sum_of(file, size) == (manifest.sha256, manifest.crc32)
    else:
        crc32 = 0
        for chunk in _chunks(file, size):
            crc32 = zlib.crc32(chunk, crc32)
        whole = crc32 == manifest.crc32
    if not whole:
        raise DataError("the segment is damaged: its checksum is another one")
