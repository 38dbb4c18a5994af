"""Unzipping files of the archive as a stream: blocks of whole lines, never the whole file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from market.errors import DataError
from populate_base.archive_file import ArchiveFile

#: Bytes unpacked at a time: enough rows for whole columns to pay, few enough to stay small.
BLOCK_BYTES = 1 << 20
#: More than any row of twelve fields takes.
_MAX_ROW_BYTES = 400
_LONGEST_LINE_BYTES = 65_536
#: Other methods take memory as the file bids, and fail in ways of their own.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def max_file_bytes(file: ArchiveFile) -> int:
    """Return a size no honest file of that range reaches, zipped or not."""
    return file.slots * _MAX_ROW_BYTES + _LONGEST_LINE_BYTES


def iter_blocks(
    zipped: IO[bytes], file: ArchiveFile, *, block_bytes: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """Yield the CSV in a zip in blocks that end with a line feed, without its header line.

    A header is a first line that does not begin with a digit. Line ends become line feeds.

    Raises:
        DataError: the zip is damaged, holds something else than one CSV, or unpacks to more
            than a file of that range can hold.
    """
    rest = b""
    is_first = True
    for chunk in _iter_unpacked(zipped, file, block_bytes):
        block = rest + chunk
        cut = block.rfind(b"\n") + 1
        rest = block[cut:]
        if len(rest) > _LONGEST_LINE_BYTES:
            raise DataError(f"{file.name} holds a line of more than {_LONGEST_LINE_BYTES} bytes")
        if cut:
            yield from _clean(block[:cut], is_first=is_first)
            is_first = False
    if rest:
        yield from _clean(rest + b"\n", is_first=is_first)


def _clean(block: bytes, *, is_first: bool) -> Iterator[bytes]:
    if is_first and not block[:1].isdigit():
        block = block[block.index(b"\n") + 1 :]
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    if block:
        yield block


def _iter_unpacked(zipped: IO[bytes], file: ArchiveFile, block_bytes: int) -> Iterator[bytes]:
    limit = max_file_bytes(file)
    unpacked = 0
    try:
        zipped.seek(0)
        with zipfile.ZipFile(zipped) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise DataError(f"{file.name} holds {len(names)} files; expected one CSV")
            if archive.infolist()[0].compress_type not in _METHODS:
                raise DataError(f"{file.name} is not compressed by deflate")
            with archive.open(names[0]) as member:
                while chunk := member.read(block_bytes):
                    unpacked += len(chunk)
                    if unpacked > limit:
                        raise DataError(f"{file.name} unpacks to more than {limit} bytes")
                    yield chunk
    # Encrypted members are a RuntimeError.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DataError(f"{file.name} is damaged: {error}") from error
