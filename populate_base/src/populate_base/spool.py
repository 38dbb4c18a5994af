"""What closed while the store was away, on disk: append only, bounded, read back in order.

A frame is the length and the CRC-32 of its JSON, both as four bytes, big-endian, and the
JSON. A frame that was cut off ends the file: nothing behind it was promised to anybody. One
that is damaged is told.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from market.errors import DataError
from market.interval import Interval
from market.kline import Kline
from market.log import get_logger
from populate_base.stream import ClosedKline

log = get_logger()

SUFFIX = ".spool"
_HEAD = struct.Struct(">II")
#: More than any frame that is written takes.
_LARGEST_FRAME = 64 * 1024 * 1024


class Spooled(NamedTuple):
    """Klines that arrived together, at the exchange's time `arrived_ms`."""

    arrived_ms: int
    closed: list[ClosedKline]


class Spool:
    """One file of klines that wait for the store; not shared between threads.

    Nothing is opened before the first kline has to wait. All spools of its folder together
    take at most `max_bytes`.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._is_full = False

    @property
    def size(self) -> int:
        """Bytes on disk."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def append(self, arrived_ms: int, closed: Sequence[ClosedKline]) -> bool:
        """Keep klines, on the disk when this returns; tell whether there was room.

        Where there was none this is logged once, until the spool was emptied.
        """
        if self._is_full:
            return False
        content = orjson.dumps([arrived_ms, [[c[0], c[1].value, *c[2]] for c in closed]])
        frame = _HEAD.pack(len(content), zlib.crc32(content)) + content
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            taken = sum(path.stat().st_size for path in self.path.parent.glob(f"*{SUFFIX}"))
            room = self._max_bytes - taken - len(frame)
            if room >= 0:
                _append_durably(self.path, frame)
                return True
            problem = f"it may take {self._max_bytes} bytes"
        except OSError as error:
            problem = error.strerror or str(error)
        self._is_full = True
        log.error("spool_full", path=str(self.path), reason=problem, hint="REST catches up later.")
        return False

    def read(self) -> Iterator[Spooled]:
        """Yield what waits, oldest first; a frame that is cut off at the end ends it.

        Raises:
            DataError: a frame is damaged; what stands behind it is not read.
        """
        try:
            with self.path.open("rb") as file:
                while (content := _read_frame(file.read(_HEAD.size), file)) is not None:
                    yield _parse(content)
        except FileNotFoundError:
            return

    def clear(self) -> None:
        """Forget everything: it is in the store."""
        self._is_full = False
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            # It is written once more by the next one who finds it, which changes nothing.
            log.error("spool_stays", path=str(self.path), reason=error.strerror or str(error))


def _append_durably(path: Path, frame: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        before = os.fstat(handle).st_size
        try:
            left = memoryview(frame)
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        except OSError:
            # What follows a torn frame would never be read.
            os.ftruncate(handle, before)
            raise
    finally:
        os.close(handle)


def _read_frame(head: bytes, file: BinaryIO) -> bytes | None:
    if len(head) < _HEAD.size:
        return None
    length, checksum = _HEAD.unpack(head)
    content = file.read(min(length, _LARGEST_FRAME))
    if len(content) < min(length, _LARGEST_FRAME):
        return None
    if len(content) < length or zlib.crc32(content) != checksum:
        raise DataError("the spool holds a frame that is not as it was written")
    return content


def _parse(content: bytes) -> Spooled:
    try:
        arrived_ms, rows = orjson.loads(content)
        closed = [ClosedKline(row[0], Interval(row[1]), Kline(*row[2:])) for row in rows]
    except (ValueError, TypeError, IndexError) as error:
        raise DataError(f"the spool holds something that is no kline: {error}") from error
    return Spooled(arrived_ms, closed)
