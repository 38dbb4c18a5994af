"""A second reader of archive files, row by row: slow, plain, and of its own rules.

What `populate_base.archive_rows` makes of a file has to be what comes out here.
"""

from __future__ import annotations

import io
import re
import zipfile
from decimal import Decimal

from market.kline import Kline

_NUMBER = "[0-9]{1,20}([.][0-9]{1,8})?"
_TIME = "[0-9]{1,17}"
_ROW = [_TIME, *[_NUMBER] * 5, _TIME, _NUMBER, "[0-9]{1,15}", *[_NUMBER] * 3]
_MICROSECONDS = 10**14


class RefusedFile(Exception):
    """The file is not one of the archive; the message names the row or the kline."""


def read_csv(content: bytes, start_ms: int, end_ms: int) -> list[Kline]:
    """Return the klines of a CSV whose rows open in [start_ms, end_ms)."""
    lines = content.split(b"\n")
    if lines[-1] == b"":
        del lines[-1]
    if lines and not lines[0][:1].isdigit():
        del lines[0]
    klines: list[Kline] = []
    for number, line in enumerate(lines, start=1):
        kline = _read_row(line.removesuffix(b"\r").decode("ascii", "replace"), number)
        _check(kline, start_ms, end_ms)
        if klines and kline.open_time_ms <= klines[-1].open_time_ms:
            if kline != klines[-1]:
                raise RefusedFile(f"kline {kline.open_time_ms} follows {klines[-1].open_time_ms}")
        else:
            klines.append(kline)
    return klines


def _read_row(line: str, number: int) -> Kline:
    fields = line.split(",")
    if len(fields) != 12 or not all(map(re.fullmatch, _ROW, fields)):
        raise RefusedFile(f"row {number} is not a kline")
    opened, closed = (
        int(fields[place]) // (1000 if int(fields[place]) >= _MICROSECONDS else 1)
        for place in (0, 6)
    )
    return Kline(opened, *fields[1:6], closed, fields[7], int(fields[8]), *fields[9:])


def _check(kline: Kline, start_ms: int, end_ms: int) -> None:
    low, high = Decimal(kline.low), Decimal(kline.high)
    true = low <= Decimal(kline.open) <= high and low <= Decimal(kline.close) <= high
    inside = start_ms <= kline.open_time_ms < end_ms
    if not (true and inside and kline.close_time_ms >= kline.open_time_ms):
        raise RefusedFile(f"kline {kline.open_time_ms}")


def read_zip(content: bytes, start_ms: int, end_ms: int) -> list[Kline]:
    """Return the klines of a zip, see `read_csv`."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return read_csv(archive.read(archive.namelist()[0]), start_ms, end_ms)
