"""Zips of the archive that another program made or that came damaged."""

from __future__ import annotations

import io
import zipfile

import pytest

from market.errors import DataError
from market.interval import Interval
from populate_base.archive_file import ArchiveFile, Period
from populate_base.archive_zip import iter_blocks
from support.klines import START_MS

FILE = ArchiveFile("BTCUSDT", Interval.H1, Period.MONTHLY, START_MS)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_method_the_archive_does_not_use_is_refused(method: int, *, is_damaged: bool) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("BTCUSDT-1h-2024-01.csv", "1704067200000,1,2\n" * 300)
    if is_damaged:
        # A broken stream of these is none of the errors that a broken deflated one is.
        buffer.seek(60)
        buffer.write(b"\xff" * 20)

    with pytest.raises(DataError, match=r"BTCUSDT-1h-2024-01\.zip is not compressed by deflate"):
        list(iter_blocks(buffer, FILE))
