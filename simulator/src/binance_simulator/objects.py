"""The bytes of the archive's objects: the files themselves, or what a fault makes of them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from binance_simulator.catalogue import ArchiveFile
from binance_simulator.columns import in_microseconds
from binance_simulator.faults.files import HeaderRow, Odd, TimeUnit
from binance_simulator.faults.rows import View, apply_view, narrow
from binance_simulator.months import read_file
from market.kline import KLINE_FIELDS, Kline
from market.times import parse_time_ms

#: From this open time on the archive's files are in microseconds.
_MICROSECONDS_FROM_MS = parse_time_ms("switch", "2025-01-01")
#: Bytes of remade zips kept in memory; files that no fault strikes stay on the disk.
_KEPT_BYTES = 64 * 1024 * 1024
#: Zips of which is remembered what a fault made of them, be it nothing.
_KEPT_ZIPS = 4096
_CHECKSUM = ".CHECKSUM"


class Facts(NamedTuple):
    """What a listing tells of an object."""

    etag: str
    size: int


class Content(NamedTuple):
    """A zip and its checksum file; `read` gives the bytes of the zip."""

    zip: Facts
    checksum: bytes
    read: Callable[[], bytes]

    @property
    def checksum_facts(self) -> Facts:
        """What a listing tells of the checksum file."""
        return Facts(_md5(self.checksum), len(self.checksum))


class Objects:
    """Makes the content of zips, and keeps what was made last."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[object, ...], bytes | None] = OrderedDict()
        self._held = 0

    def content(self, file: ArchiveFile, view: View, odd: Sequence[Odd]) -> Content | None:
        """Return a zip's content, or `None` where no row is left in it.

        Raises:
            DataError: a fault strikes a file that is damaged on the disk.
        """
        view = narrow(view, file.interval)
        if view or odd:
            key = (file.path, file.name, _changed_ns(file.path), view, tuple(odd))
            if key not in self._made:
                self._keep(key, _remake(file, view, odd))
            self._made.move_to_end(key)
            made = self._made[key]
            if made is None:
                return None
            if made != b"":
                return _made_content(made, file.name)
        zip_facts, sha256 = _disk_facts(file.path, _changed_ns(file.path))
        beside = file.path.with_name(file.path.name + _CHECKSUM)
        if file.name == file.path.name and beside.is_file():
            return Content(zip_facts, beside.read_bytes(), file.path.read_bytes)
        return Content(zip_facts, _line(sha256, file.name), file.path.read_bytes)

    def _keep(self, key: tuple[object, ...], made: bytes | None) -> None:
        self._made[key] = made
        self._held += len(made or b"")
        while len(self._made) > 1 and (self._held > _KEPT_BYTES or len(self._made) > _KEPT_ZIPS):
            self._held -= len(self._made.popitem(last=False)[1] or b"")


def _made_content(made: bytes, name: str) -> Content:
    sha256 = hashlib.sha256(made).hexdigest()
    return Content(Facts(_md5(made), len(made)), _line(sha256, name), lambda: made)


def _remake(file: ArchiveFile, view: View, odd: Sequence[Odd]) -> bytes | None:
    """Return a zip as faults want it, `b""` where they change nothing, `None` without rows."""
    truth = read_file(file)
    rows = apply_view(view, truth)
    if not rows:
        return None
    if rows == truth and not odd:
        return b""
    text = "\n".join([*_iter_lines(rows, file, odd), ""])
    buffer = io.BytesIO()
    info = zipfile.ZipInfo(file.name.removesuffix(".zip") + ".csv")
    info.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr(info, text, compresslevel=1)
    return buffer.getvalue()


def _iter_lines(rows: Sequence[Kline], file: ArchiveFile, odd: Sequence[Odd]) -> Iterator[str]:
    unit = "us" if file.start_ms >= _MICROSECONDS_FROM_MS else "ms"
    for fault in odd:
        if isinstance(fault, TimeUnit):
            unit = fault.unit
        elif isinstance(fault, HeaderRow):
            yield ",".join(KLINE_FIELDS)
    for number, row in enumerate(rows):
        wants_us = unit == "us" or (unit == "mixed" and number % 2 == 1)
        yield ",".join(map(str, in_microseconds(row) if wants_us else row))


@lru_cache(maxsize=1 << 16)
def _disk_facts(path: Path, _changed: int) -> tuple[Facts, str]:
    content = path.read_bytes()
    return Facts(_md5(content), len(content)), hashlib.sha256(content).hexdigest()


def _changed_ns(path: Path) -> int:
    return path.stat().st_mtime_ns


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _line(sha256: str, name: str) -> bytes:
    return f"{sha256}  {name}\n".encode()
